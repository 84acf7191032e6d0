"""The token endpoints, which ignore the Bearer header [§1.3, §1.4, row 18]."""

from typing import Any

from worker.simulator.answers import BAD_REQUEST, Answer, Refusal
from worker.simulator.calls import Call
from worker.simulator.simulator import SIM_CLIENT_ID, Simulator
from worker.simulator.values import Account

#: A refresh hands back the same access token only while that much is left [3rd].
SAME_TOKEN_LEFT_S = 600
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def issue_token(sim: Simulator, call: Call) -> Answer:
    """POST /oauth/token."""
    body = _checked(sim, call)
    match body.get("grant_type"):
        case "refresh_token":
            account = _holder(sim, sim.refresh_tokens, body.get("refresh_token"))
            return Answer(content=refresh(sim, account), headers=_NO_STORE)
        case "authorization_code":
            account = _holder(sim, sim.codes, body.get("code"))
            del sim.codes[body["code"]]
            return Answer(content=refresh(sim, account) | _identity(account), headers=_NO_STORE)
        case None:
            raise oauth_error("invalid_request")
        case _:
            raise oauth_error("unsupported_grant_type")


def revoke_token(sim: Simulator, call: Call) -> Answer:
    """POST /oauth/token/revoke: 200 for unknown tokens as well [§1.4]."""
    body = _checked(sim, call)
    token = str(body.get("token"))
    sub = (
        body.get("sub")
        or sim.refresh_tokens.get(token)
        or sim.access_tokens.get(token, (None, 0))[0]
    )
    if sub in sim.accounts:
        revoke(sim, sim.accounts[sub])
    return Answer()


def refresh(sim: Simulator, account: Account) -> dict[str, Any]:
    """Hands out tokens. A replaced access token stays good until its own end [unknown]."""
    switches, now = sim.behaviour, sim.clock()
    left = account.access_expires_at - now
    if not (switches.same_access_token and left >= SAME_TOKEN_LEFT_S):
        left = float(switches.token_life_s)
        account.access_token, account.access_expires_at = sim.token(), now + left
        sim.access_tokens[account.access_token] = (account.sub, account.access_expires_at)
    if switches.rotate_refresh_tokens:
        sim.refresh_tokens.pop(account.refresh_token, None)
        account.refresh_token = sim.token()
        sim.refresh_tokens[account.refresh_token] = account.sub
    return {
        "token_type": "bearer",
        "access_token": account.access_token,
        "expires_in": int(left),
        "refresh_token": account.refresh_token,
        "scope": account.scope,
    }


def expire(sim: Simulator, account: Account) -> None:
    """Ends every access token of an account now; the refresh token stays good."""
    account.access_expires_at = sim.clock()
    for token, (sub, _) in list(sim.access_tokens.items()):
        if sub == account.sub:
            sim.access_tokens[token] = (sub, account.access_expires_at)


def revoke(sim: Simulator, account: Account) -> None:
    """Ends an authorization: its calls answer 401, its refreshes invalid_grant."""
    expire(sim, account)
    sim.refresh_tokens.pop(account.refresh_token, None)
    account.revoked = True


def oauth_error(error: str) -> Refusal:
    """A 400 as only the token endpoints give it."""
    return Refusal(BAD_REQUEST, {"error": error}, dict(_NO_STORE))


def _checked(sim: Simulator, call: Call) -> dict[str, Any]:
    if not isinstance(call.body, dict):
        raise oauth_error("invalid_request")
    secret = call.body.get("client_secret")
    if call.body.get("client_id") != SIM_CLIENT_ID or secret not in sim.client_secrets:
        raise oauth_error("invalid_client")
    return call.body


def _holder(sim: Simulator, tokens: dict[str, str], token: object) -> Account:
    if token is None:
        raise oauth_error("invalid_request")
    account = sim.accounts.get(tokens.get(str(token), ""))
    if account is None or account.revoked:
        raise oauth_error("invalid_grant")
    return account


def _identity(account: Account) -> dict[str, Any]:
    profile = next(iter(account.profiles.values()))
    return {
        "sub": account.sub,
        "account_id": account.sub,
        "linking_profile": {
            "provider_name": profile.provider_name,
            "provider_service": profile.provider_service,
            "profile_id": profile.profile_id,
            "profile_name": profile.profile_name,
        },
    }
