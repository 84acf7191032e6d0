"""The token endpoint's two sides: what is asked, and what its answers mean (cronofy-api §1.3)."""

from __future__ import annotations

import msgspec

from worker.cronofy.replies import raise_unless_ok
from worker.cronofy.transport import Call, NoReply, Reply
from worker.cronofy.values import TokenSet
from worker.cronofy.wire import Unreadable, WireTokenError, WireTokens, decoded
from worker.errors import Rejected, SettingsError, TokenLost, Unavailable, WorkerError
from worker.model import Code

#: seconds that a token is used for when the answer does not say; short, since nothing promises more
_UNSAID_LIFE_S = 300.0

_tokens = msgspec.json.Decoder(WireTokens)
_error = msgspec.json.Decoder(WireTokenError)


def refresh_body(client_id: str, client_secret: str, *, refresh_token: str) -> bytes:
    """Encode the request for a new access token."""
    return msgspec.json.encode(
        {
            "grant_type": "refresh_token",
            "client_id": client_id,
            "client_secret": client_secret,
            "refresh_token": refresh_token,
        }
    )


def refreshed(call: Call, reply: Reply | NoReply, *, refresh_token: str) -> TokenSet:
    """Read the new tokens; the old refresh token stays unless another one came back."""
    if isinstance(reply, Reply) and reply.status in {400, 401}:
        raise _refusal(reply)
    body = raise_unless_ok(call, reply).body
    try:
        tokens = decoded(_tokens, body)
    except Unreadable:
        tokens = None
    if tokens is None or not tokens.access_token:
        raise Unavailable(f"{call} gave no token that can be read")
    return TokenSet(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token or refresh_token,
        expires_in_s=_UNSAID_LIFE_S if tokens.expires_in is None else max(0.0, tokens.expires_in),
    )


def _refusal(reply: Reply) -> WorkerError:
    match _error_word(reply.body):
        case "invalid_grant":
            return TokenLost(
                "The account's authorization has been revoked or has ended",
                reason=Code.ACCOUNT_LOST,
            )
        case "invalid_client":
            return SettingsError(
                "Cronofy does not accept the application's own credentials",
                next_step="Check CALPATCH_CRONOFY_CLIENT_ID and CALPATCH_CRONOFY_CLIENT_SECRET,"
                " and that they belong to the account's data center",
            )
        case "invalid_request" | "invalid_scope" | "unauthorized_client" as word:
            return Rejected("The refresh was refused", status=reply.status, keys=(word,))
        case _:
            return Rejected("The refresh was refused", status=reply.status)


def _error_word(body: bytes) -> str:
    try:
        return decoded(_error, body).error
    except Unreadable:
        return ""
