"""Connect: a server that embeds becomes a model that indexes may use.

Takes an address and the name of a model there, gives a card in the user's configuration. Nothing is sent before the
host is allowed; then one text is embedded, which tells the dimensions, and the self-test is passed with texts of its
own. A server that fails leaves everything as it was.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import SplitResult

import numpy as np

from lsp_server.engine.card import CARD, ENDPOINT, PROBE, Card, Endpoint, ModelError, card_text
from lsp_server.engine.endpoint import (
    EndpointEncoder,
    allow,
    endpoints_home,
    host_of,
    is_allowed,
    is_loopback,
    split_address,
    whole_address,
    write_privately,
)
from lsp_server.engine.installed import RESERVED, Installed
from lsp_server.models.catalogue import DOCUMENT_TOKENS, QUERY_TOKENS, Catalogue
from lsp_server.models.selftest import self_test

PROBE_SIZE = 32  # numbers of a vector that are kept to recognise the model by
LONGEST = 8_192  # dimensions that a server may have: models have 4,096 at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a user wants to connect."""

    url: str
    model: str
    id: str = ""  # "": made of the model's name
    key_variable: str = ""
    query_prefix: str = ""
    document_prefix: str = ""
    batch: int = 32


def warning(place: SplitResult) -> str:
    """Return what a user has to know before text leaves the machine."""
    clear = " The connection is not encrypted: whoever is between reads along." if place.scheme == "http" else ""
    return (
        f"The text of your code would be sent to {host_of(place)}: names, comments and the beginning of every "
        f"definition in the folders that you index with this model, and every question that you ask.{clear}"
    )


def connect(wish: Wish, catalogue: Catalogue, consent: Callable[[SplitResult], bool]) -> Installed:
    """Connect a server; `consent` is asked about a host that is not allowed yet. Raises ModelError."""
    url = whole_address(wish.url)
    place = split_address(url)
    id = wish.id or re.sub(r"[^a-z0-9._-]+", "-", wish.model.lower()).strip(".-_") or "endpoint"
    _check_id(id, catalogue)
    if not is_allowed(place):
        if not consent(place):
            raise ModelError(f"{host_of(place)} was not allowed, and nothing was sent.")
        allow(place.hostname or "")
    card = _measured(_card(id, replace(wish, url=url)))
    folder = endpoints_home() / id
    encoder = EndpointEncoder(card)
    tested = self_test(folder, lambda _: encoder)
    if not tested.passed:
        raise ModelError(f"{wish.model} at {host_of(place)} was not connected. {tested.complaint}")
    where = "this machine" if is_loopback(place) else host_of(place)
    write_privately(folder / CARD, card_text(card, {"name": f"{wish.model}, embedded by {where}"}))
    return Installed(id, ENDPOINT, folder)


def _check_id(id: str, catalogue: Catalogue) -> None:
    """Raise ModelError for an id that means something else."""
    if id in RESERVED:
        raise ModelError(f"No model can be called {id!r}. Give this one another name with --id.")
    known = {entry.id for entry in (*catalogue.model, *catalogue.reranker)}
    if id in known:
        raise ModelError(f"{id} is a model of the list. Give this one another name with --id.")


def _card(id: str, wish: Wish) -> Card:
    """Return the card, of which dimensions and probe are not known yet."""
    return Card(
        id=id,
        dims=LONGEST,
        pooling="in-graph",
        max_tokens=DOCUMENT_TOKENS,
        max_query_tokens=QUERY_TOKENS,
        document_prefix=wish.document_prefix,
        query_prefix=wish.query_prefix,
        digests={},
        kind=ENDPOINT,
        endpoint=Endpoint(wish.url, wish.model, wish.key_variable, wish.batch),
    )


def _measured(card: Card) -> Card:
    """Ask for one vector, and note how long it is and how it begins."""
    vector = EndpointEncoder(card).first(PROBE)
    if not 4 <= vector.size <= LONGEST:
        raise ModelError(f"{card.id} gives {vector.size} numbers a text: that is no model that embeds.")
    return replace(card, dims=int(vector.size), probe=tuple(np.round(vector[:PROBE_SIZE], 4).tolist()))
