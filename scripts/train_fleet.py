"""Train the pocket fleet's adapters on the pre-trained base, all or by name.

    python scripts/train_fleet.py [NAME …] --base specialists/pocket/weights/base

Resumes what was interrupted and skips what is finished (``--force`` trains it again).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from specialists.pocket.domains import DECLINED, training_examples
from specialists.registry import Registry
from specialists.training.lora import LoraTrainer, read_recipes

POCKET = Path(__file__).parent.parent / "specialists" / "pocket"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="recipes to train; default: all")
    parser.add_argument("--recipes", type=Path, default=POCKET / "recipes.yaml")
    parser.add_argument("--base", type=Path, default=POCKET / "weights" / "base")
    parser.add_argument("--out", type=Path, default=POCKET / "weights" / "adapters")
    parser.add_argument("--work", type=Path, default=Path("runs/lora"))
    parser.add_argument("--tokens", type=int, help="instead of each recipe's own length")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--force", action="store_true")
    args = parser.parse_args()

    recipes = read_recipes(args.recipes)
    known = [r.name for r in recipes]
    if unknown := [n for n in args.names if n not in known]:
        sys.exit(f"no recipe {unknown[0]!r}; known: {', '.join(known)}")
    args.out.mkdir(parents=True, exist_ok=True)
    trainer: LoraTrainer | None = None
    for recipe in recipes:
        folder = args.out / recipe.name
        if args.names and recipe.name not in args.names:
            continue
        if folder.exists() and not args.force:
            print(f"{recipe.name}: finished", flush=True)
            continue
        if args.tokens:
            recipe = recipe.model_copy(update={"tokens": args.tokens})
        size = (recipe.rank, recipe.alpha)
        if trainer is None or (trainer.rank, trainer.alpha) != size:
            trainer = LoraTrainer(args.base, *size, device=args.device, compile=args.compile)
        last = trainer.train(
            recipe, folder, args.work / recipe.name,
            progress=lambda row: print(json.dumps(row), file=sys.stderr, flush=True),
        )  # fmt: skip
        examples = training_examples(recipe.shares, 12, f"card|{recipe.name}")
        card = Registry.write_card(
            folder, args.base, description=recipe.description, domain=recipe.domain,
            examples=[e.prompt for e in examples if len(e.prompt) < 400],
            max_tokens=recipe.max_tokens, declines=DECLINED if recipe.declines else None,
            status="control" if recipe.control else "candidate",
        )  # fmt: skip
        print(f"{recipe.name}: adapter {card.adapter}, loss {last.get('loss')}", flush=True)


if __name__ == "__main__":
    main()
