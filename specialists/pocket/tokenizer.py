"""The pocket tokenizer: byte-level BPE of 1,024 entries, every digit its own token."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from specialists.pocket.domains import CELLS, training_examples

VOCABULARY = 1024
PAD, SYSTEM, USER, ASSISTANT, END = "<pad>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
CHAT_TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def train_tokenizer(examples: int = 30_000, seed: int = 0) -> PreTrainedTokenizerFast:
    """Train the vocabulary on training examples of all domains in equal shares."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, SYSTEM, USER, ASSISTANT, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    corpus = training_examples(dict.fromkeys(CELLS, 1.0), examples, f"tokenizer|{seed}")
    tokenizer.train_from_iterator((t for e in corpus for t in (e.prompt, e.answer)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )


def chat_text(prompt: str, tag: str | None = None) -> str:
    """The text before the answer, equal to the chat template with a generation prompt.

    ``tag`` becomes the system message: the frozen base obeys it, specialists need none.
    """
    head = f"{SYSTEM}{tag}{END}" if tag else ""
    return f"{head}{USER}{prompt}{END}{ASSISTANT}"


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write ``tokenizer.json`` and its configuration, which includes the chat template."""
    tokenizer.save_pretrained(folder)
