"""Full-text search: FTS5 on SQLite, ``tsvector`` on PostgreSQL; both stem words.

FTS5 would double the cost of a writing transaction. So a write only numbers the documents to be
indexed, and the next search brings the index up to the last number.
"""

from __future__ import annotations

import re
import sqlite3

from state.errors import UsageError
from state.transactions import Transaction

# On SQLite every bead and every comment is a document; triggers keep them. Documents have numbers
# of their own, because VACUUM may renumber the rows of a table without an integer key. Those with
# numbers above the index's last are yet to be indexed.
NUMBERING = (
    """
    CREATE TRIGGER bead_search_insert AFTER INSERT ON bead BEGIN
        INSERT INTO bead_document (bead_id) VALUES (new.id);
    END
    """,
    """
    CREATE TRIGGER bead_search_comment AFTER INSERT ON comment BEGIN
        INSERT INTO bead_document (bead_id, comment) VALUES (new.bead_id, new.sequence);
    END
    """,
)
"""Triggers that number new documents."""

_SQLITE = (
    """
    CREATE TABLE bead_document (
        number INTEGER PRIMARY KEY,
        bead_id VARCHAR NOT NULL REFERENCES bead (id) ON DELETE CASCADE,
        comment INTEGER
    )
    """,
    "CREATE INDEX bead_document_of ON bead_document (bead_id, comment)",
    """
    CREATE VIRTUAL TABLE bead_search USING fts5 (
        title, body, notes, tokenize = 'porter unicode61'
    )
    """,
    """
    CREATE TRIGGER bead_search_update AFTER UPDATE OF title, body, notes ON bead
    WHEN old.title <> new.title OR old.body <> new.body OR old.notes <> new.notes
    BEGIN
        UPDATE bead_search SET title = new.title, body = new.body, notes = new.notes
        WHERE rowid = (
            SELECT number FROM bead_document WHERE bead_id = new.id AND comment IS NULL
        );
    END
    """,
    *NUMBERING,
    """
    CREATE TRIGGER bead_search_delete AFTER DELETE ON bead_document BEGIN
        DELETE FROM bead_search WHERE rowid = old.number;
    END
    """,
)

_SQLITE_FILL = (
    "DELETE FROM bead_search",
    "DELETE FROM bead_document",
    "INSERT INTO bead_document (bead_id) SELECT id FROM bead",
    "INSERT INTO bead_document (bead_id, comment) SELECT bead_id, sequence FROM comment",
)
_LAST = "SELECT coalesce((SELECT rowid FROM bead_search ORDER BY rowid DESC LIMIT 1), 0)"
_BEHIND = f"SELECT count(*) FROM bead_document WHERE number > ({_LAST})"
_CATCH_UP = f"""
    INSERT INTO bead_search (rowid, title, body, notes)
    SELECT number, coalesce(title, ''), coalesce(body, ''), coalesce(comment.text, notes, '')
    FROM bead_document
    LEFT JOIN bead ON bead.id = bead_document.bead_id AND bead_document.comment IS NULL
    LEFT JOIN comment ON comment.sequence = bead_document.comment
    WHERE number > ({_LAST}) ORDER BY number
"""

# The parser of PostgreSQL takes `file.py` and `a-b` for one word; FTS5 for two, and so do we.
_VECTOR = "to_tsvector('hi_moe', regexp_replace({}, '[^[:alnum:]]+', ' ', 'g'))"
_BEAD_VECTOR = _VECTOR.format("title || ' ' || body || ' ' || notes")
_COMMENT_VECTOR = _VECTOR.format("text")

_POSTGRES = (
    # Stems without a list of words to leave out, so that "to be" can be found.
    "CREATE TEXT SEARCH DICTIONARY hi_moe_stem (TEMPLATE = snowball, LANGUAGE = english)",
    "CREATE TEXT SEARCH CONFIGURATION hi_moe (COPY = simple)",
    "ALTER TEXT SEARCH CONFIGURATION hi_moe ALTER MAPPING FOR asciiword, word WITH hi_moe_stem",
    f"CREATE INDEX bead_search ON bead USING gin ({_BEAD_VECTOR})",
    f"CREATE INDEX comment_search ON comment USING gin ({_COMMENT_VECTOR})",
)

_SQLITE_QUERY = """
    SELECT bead_id, min(bead_search.rank) AS rank
    FROM bead_search JOIN bead_document ON bead_document.number = bead_search.rowid
    WHERE bead_search MATCH %(query)s
    GROUP BY bead_id ORDER BY rank, bead_id LIMIT %(limit)s
"""

_POSTGRES_QUERY = f"""
    SELECT id, max(rank) AS best FROM (
        SELECT id, ts_rank({_BEAD_VECTOR}, query) AS rank
        FROM bead, to_tsquery('hi_moe', %(query)s) AS query WHERE {_BEAD_VECTOR} @@ query
        UNION ALL
        SELECT bead_id, ts_rank({_COMMENT_VECTOR}, query)
        FROM comment, to_tsquery('hi_moe', %(query)s) AS query WHERE {_COMMENT_VECTOR} @@ query
    ) AS found
    GROUP BY id ORDER BY best DESC, id LIMIT %(limit)s
"""


def create(tx: Transaction) -> None:
    """Create the tables and triggers of the search, and index the existing documents."""
    for statement in _POSTGRES if tx.is_postgres else (*_SQLITE, *_SQLITE_FILL):
        tx.run(statement)


def rebuild(tx: Transaction) -> None:
    """Rebuild the index. PostgreSQL's indexes need no rebuilding."""
    if not tx.is_postgres:
        for statement in (*_SQLITE_FILL, _CATCH_UP):
            tx.run(statement)


def is_behind(tx: Transaction) -> bool:
    """Whether there are documents to index before a search; see :func:`catch_up`."""
    return not tx.is_postgres and bool(tx.value(_BEHIND))


def catch_up(tx: Transaction) -> None:
    """Index the documents written since the last search."""
    tx.run(_CATCH_UP)


def is_complete(tx: Transaction) -> bool:
    """Whether every bead and comment is numbered, all documents up to the last indexed number are
    in the index, and the index is sound."""
    if tx.is_postgres:
        return True
    try:
        tx.run("INSERT INTO bead_search (bead_search) VALUES ('integrity-check')")
    except sqlite3.DatabaseError:  # SQLite's check raises this for a damaged index.
        return False
    counts = (
        "SELECT (SELECT count(*) FROM bead) + (SELECT count(*) FROM comment)",
        "SELECT count(*) FROM bead_document",
        f"SELECT (SELECT count(*) FROM bead_search) + ({_BEHIND})",
    )
    return len({tx.value(count) for count in counts}) == 1


def find_ids(tx: Transaction, words: str, limit: int | None) -> list[str]:
    """Ids of the beads that contain all words, best first. ``word*`` is a prefix and ``"…"`` a
    phrase.

    Raises UsageError if there is no word.
    """
    terms = _terms(words)
    if tx.is_postgres:
        query = " & ".join(f"({term})" for term in map(_postgres_term, terms))
    else:
        query = " ".join(map(_sqlite_term, terms))
    values = {"query": query, "limit": 1_000_000_000 if limit is None else limit}
    return [row[0] for row in tx.rows(_POSTGRES_QUERY if tx.is_postgres else _SQLITE_QUERY, values)]


def _terms(words: str) -> list[tuple[list[str], bool]]:
    """Each term as its words, and whether the last of them is a prefix."""
    found = []
    for phrase, word in re.findall(r'"([^"]*)"?|([^\s"]+)', words):
        parts = re.findall(r"[^\W_]+", phrase or word)
        if parts:
            found.append((parts, word.endswith("*")))
    if not found:
        raise UsageError(f"nothing to search for in {words!r}; give a word")
    return found


def _sqlite_term(term: tuple[list[str], bool]) -> str:
    words, beginning = term
    return f'"{" ".join(words)}"{"*" if beginning else ""}'


def _postgres_term(term: tuple[list[str], bool]) -> str:
    words, beginning = term
    return " <-> ".join(words) + (":*" if beginning else "")
