"""How much faster the embedding scorer routes than the loss probe, on one batch, warm.

    python -m tests.benchmarks.routing --tasks 1000

Both score the same tasks over the pocket fleet, as they come (popular ones repeated) and each once; the
ratio is of one run on one machine. The embedder embeds a repeated task once.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from harness.report import RunOptions
from harness.routing import routed
from harness.wiring import open_backend
from scripts.research.request_stream import stream
from specialists.routing import EmbeddingScorer, LossProbe, Scorer
from specialists.routing.loss_probe import calibrate
from tiers.domains import installed


async def measure(tasks: int) -> None:
    backend, cards = await open_backend(RunOptions())
    try:
        fleet = routed(cards)
        texts = [text for card in fleet for text in card.examples]
        probe = LossProbe(backend, await calibrate(backend, fleet, texts), installed().roles)
        scorers: dict[str, Scorer] = {"embedding": EmbeddingScorer(), "loss probe": probe}
        asked = stream(0, tasks, 0).test
        for batch in (asked, tuple(dict.fromkeys(asked))):
            took = {}
            for name, scorer in scorers.items():
                await scorer.score(batch[:20], fleet)
                start = time.perf_counter()
                await scorer.score(batch, fleet)
                took[name] = time.perf_counter() - start
            ratio = took["loss probe"] / took["embedding"]
            print(
                f"{len(batch)} tasks, {len(set(batch))} different: embedding "
                f"{took['embedding']:.2f} s, loss probe {took['loss probe']:.2f} s, {ratio:.1f} times"
            )
    finally:
        await backend.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=1000)
    asyncio.run(measure(parser.parse_args().tasks))


if __name__ == "__main__":
    main()
