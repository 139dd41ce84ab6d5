"""Figures of the adaptive router as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.routing.routing_report import percent, table


def var_lines(whole: Mapping[str, Any]) -> list[str]:
    """All parts that have been measured."""
    lines = [
        "# The adaptive router, measured", "",
        "`python -m scripts.research.adaptive_router`. Ratios of times are taken within one run, on "
        "one machine; times are medians. Paths in percent of requests.", "",
    ]  # fmt: skip
    if "tokens" in whole:
        lines += _tokens(whole["tokens"])
    if "requests" in whole:
        lines += _requests(whole["requests"])
    if "moe" in whole:
        lines += _moe(whole["moe"])
    return lines


def _paths(paths: Mapping[str, float]) -> tuple[str, str, str, str]:
    one, two, three, four = (percent(paths[n]) for n in ("cache", "fast", "expensive", "degraded"))
    return one, two, three, four


def _tokens(part: Mapping[str, Any]) -> list[str]:
    rows = []
    for row in part["rows"]:
        for name in ("original", "adaptive"):
            one = row[name]
            batched = one.get("speed_up_over_batched")
            rows.append(
                (
                    f"{row['seed']}", f"{row['context']:g}", name, f"{one['speed_up']:.2f}",
                    "-" if batched is None else f"{batched:.2f}", *_paths(one["paths"]),
                    percent(one["agreement"]), percent(one["mass_kept"]),
                )
            )  # fmt: skip
    least = min(row["least_entropy"] for row in part["rows"])
    return [
        "## (a) Tokens: the original proof of concept beside ours", "",
        f"Vocabulary {part['vocabulary']}, {part['train']} training and {part['test']} test tokens. "
        f"Lowest mean entropy of a token: {least:.2f} nats, so the original's threshold of 0.5 is never "
        "met. Speed-up is over the linear router a token at a time, which is how the original routes; "
        "*over batched* is over the linear router on the whole batch at once, which is how ours routes. "
        "*Context* is the share of the token before in the hidden state: with 0 a token id decides its "
        "route. *Agreement* is with the linear router's choice, *mass* the probability that it gives the "
        "chosen experts relative to its own choices.", "",
        *table(
            ("seed", "context", "router", "speed-up", "over batched", "cache", "fast", "expensive",
             "degraded", "agreement", "mass"),
            rows,
        ),
    ]  # fmt: skip


def _requests(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    first = parts[0]
    return [
        "## (b) Requests: scorers over the pocket fleet", "",
        f"{first['train']} tasks to build the table, {first['test']} other tasks routed in batches of "
        f"{first['batch']}, all scored (*alone*) or by the adaptive router over the same scorer.", "",
        *table(
            ("scorer", "alone s", "adaptive s", "speed-up", "cache", "fast", "expensive", "degraded",
             "clusters", "on the fast path", "demotions", "audits", "audits that disagreed",
             "fast and cached that disagree", "95% bound", "all that disagree"),
            [
                (
                    part["scorer"], f"{part['plain_s']:.1f}", f"{part['adaptive_s']:.1f}",
                    f"{part['speed_up']:.1f}", *_paths(part["paths"]), str(part["clusters"]),
                    str(part["eligible"]), str(part["demotions"]), str(part["audited"]),
                    str(part["audits_disagreed"]), f"{part['trusted_disagreed']} of {part['trusted']}",
                    percent(part["trusted_bound"]), percent(part["all_disagreed"]),
                )
                for part in parts
            ],
        ),
    ]  # fmt: skip


def _moe(part: Mapping[str, Any]) -> list[str]:
    rows = [
        ("learned", f"{part['ppl_learned']:.3f}", "-", "-", "-"),
        ("tables for known tokens", f"{part['ppl_tables']:.3f}", percent(part["delta_tables"], 2),
         percent(part["hit_rate_tables"]), percent(part["agreement_tables"])),
        ("tables that have earned it, no cap", f"{part['ppl_earned']:.3f}",
         percent(part["delta_earned"], 2), percent(part["hit_rate_earned"]), "-"),
        ("adaptive", f"{part['ppl_adaptive']:.3f}", percent(part["delta_adaptive"], 2),
         percent(part["paths"]["fast"]), percent(part["agreement_adaptive"])),
    ]  # fmt: skip
    shown = ", ".join(f"{name} {percent(share)}" for name, share in part["paths"].items())
    return [
        "## (c) A mixture of experts, trained here", "",
        f"MixtralForCausalLM, {part['parameters']:,} parameters, {part['steps']} batches; held-out text "
        f"of {part['held_out_tokens']:,} tokens. *Hit rate* is the share of routings answered by a "
        f"table. Paths of the adaptive core: {shown}; token ids on its fast path by layer: "
        f"{', '.join(map(str, part['eligible']))}. Agreement is on both experts of a token.", "",
        *table(("routing", "PPL", "ΔPPL %", "hit rate", "agreement"), rows),
    ]  # fmt: skip
