"""Pre-train the pocket base model and its tokenizer from scratch.

    python scripts/pretrain_pocket.py --out specialists/pocket/weights/base

Runs on CPU and CUDA (``--device``), resumes from its last checkpoint when started again with the same
``--work`` folder, and logs one JSON line every 20 steps. ``--tokens 60000`` is a smoke run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from specialists.pocket.domains import Example, training_examples
from specialists.pocket.tokenizer import END, PAD, VOCABULARY, save_tokenizer, train_tokenizer
from specialists.training.loop import LoopConfig, train

SHARES = {
    "math/add": 0.04,
    "math/sub": 0.04,
    "math/mul": 0.08,
    "math/div": 0.22,
    "math/chain": 0.02,
    "decompose/events1": 0.06,
    "decompose/events2": 0.08,
    "decompose/events3": 0.10,
    "decompose/events4": 0.11,
    "decompose/expression": 0.03,
    "code": 0.10,
    "explain": 0.04,
    "split": 0.03,
    "chain/short": 0.04,
    "chain/medium": 0.01,
}
"""Share of each domain, or cell, among the pre-training examples."""


def _config(args: argparse.Namespace, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=args.width,
        num_hidden_layers=args.layers,
        num_attention_heads=args.heads,
        num_key_value_heads=args.heads,
        intermediate_size=args.ffn,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids(END),
        pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished model")
    parser.add_argument("--work", type=Path, default=Path("runs/pretrain"), help="log, checkpoint")
    parser.add_argument("--tokens", type=int, default=40_000_000)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--ffn", type=int, default=512)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--init", type=Path, help="go on from this model instead of from scratch")
    parser.add_argument(
        "--rate", type=float, default=0.7, help="peak rates, as a share of the usual"
    )
    parser.add_argument("--decay", type=float, default=1.0, help="share of the run that decays")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    # For rows this short, plain attention under the compiler is twice as fast as the fused kernel.
    attention = "eager" if args.compile else "sdpa"
    if args.init:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.init)
        model = LlamaForCausalLM.from_pretrained(
            args.init, dtype=torch.float32, attn_implementation=attention
        )
    else:
        tokenizer = train_tokenizer(seed=args.seed)
        model = LlamaForCausalLM._from_config(
            _config(args, tokenizer), attn_implementation=attention
        )
    config = LoopConfig(
        tokens=args.tokens, learning_rate=3e-3 * args.rate, muon_rate=0.02 * args.rate,
        batch_tokens=args.batch_tokens,
        decay=args.decay, tag=True, seed=args.seed, device=args.device,
    )  # fmt: skip

    def shard(k: int) -> list[Example]:
        return training_examples(SHARES, config.shard_examples, f"pretrain|{args.seed}|{k}")

    last = train(
        model, tokenizer, shard, config, args.work,
        extract=lambda m: {k: v.detach().cpu() for k, v in m.state_dict().items()},
        restore=lambda m, weights: m.load_state_dict(weights),
        progress=lambda row: print(json.dumps(row), file=sys.stderr, flush=True),
        backbone=torch.compile(model.model, dynamic=True) if args.compile else None,
    )  # fmt: skip
    part = args.out.with_name(args.out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(part)
    save_tokenizer(tokenizer, part)
    shutil.copy(args.work / "training_log.jsonl", part / "training_log.jsonl")
    before = json.loads((args.init / "recipe.json").read_text()) if args.init else None
    recipe = {
        **vars(config),
        "before": before,
        "shares": SHARES,
        "parameters": model.num_parameters(),
        "last": last,
    }
    (part / "recipe.json").write_text(json.dumps(recipe, indent=1) + "\n")
    shutil.rmtree(args.out, ignore_errors=True)
    part.rename(args.out)
    print(f"{args.out}: {model.num_parameters():,} parameters, loss {last['loss']}")


if __name__ == "__main__":
    main()
