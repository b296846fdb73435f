"""Follows Rescind's revocations by GET /v1/revocations/stream and judges claims by them. The standard library alone.

    RESCIND_URL=http://127.0.0.1:3003 RESCIND_API_KEY=… python3 stream.py idp_1 user_1 user_2

docs/events.md has the form of the stream, and what a subscriber has to do.
"""

import json
import os
import sys
import threading
import time
import urllib.request
from datetime import datetime

NEVER, FOR_EVER = float("-inf"), float("inf")
MAX_STALENESS_S = 5
SILENCE_S = 5


class Unknown(Exception):
    """It cannot be known: answer 503, and let nobody in."""


def moment(wire):
    """Milliseconds since the epoch."""
    if wire is None:
        return NEVER
    if wire == "infinity":
        return FOR_EVER
    return datetime.fromisoformat(wire.replace("Z", "+00:00")).timestamp() * 1000


class View:
    def __init__(self):
        self.states = {}  # scope -> (closed_at, opened_at, tokens_before, reason)
        self.proof = None  # (as_of, seconds; when it would have come in at age 0, monotonic)

    def merge(self, wire):
        closed_at, opened_at, tokens_before = (moment(wire[n]) for n in ("closed_at", "opened_at", "tokens_before"))
        known = self.states.get(wire["scope"], (NEVER, NEVER, NEVER, None))
        later = known if known[0] >= closed_at else (closed_at, None, None, wire["reason"])
        self.states[wire["scope"]] = (
            later[0],
            max(known[1], opened_at),
            max(known[2], tokens_before),
            later[3],
        )

    def prove(self, as_of, age_ms):
        if as_of is None or age_ms is None:
            return
        at = moment(as_of) / 1000
        if self.proof is None or at >= self.proof[0]:
            self.proof = (at, time.monotonic() - age_ms / 1000)

    def is_fresh(self):
        if self.proof is None:
            return False
        at, since = self.proof
        return max(time.time() - at, time.monotonic() - since) <= MAX_STALENESS_S


def scopes_of(provider_id, claims):
    user, organization, session = claims["sub"], claims.get("org_id"), claims.get("sid")
    scopes = [f"{provider_id}/user:{user}"]
    if organization is not None:
        scopes += [f"{provider_id}/org:{organization}", f"{provider_id}/membership:{user}:{organization}"]
    if session is not None:
        scopes.append(f"{provider_id}/session:{session}")
    return scopes


def judge(view, provider_id, claims):
    """None: not revoked; else the reason. Raises Unknown where nobody can say."""
    if not view.is_fresh():
        raise Unknown()
    issued_at = int(claims["iat"]) * 1000
    for scope in scopes_of(provider_id, claims):
        state = view.states.get(scope)
        if state is None:
            continue
        closed_at, opened_at, tokens_before, reason = state
        if closed_at != NEVER and (closed_at >= opened_at or issued_at <= closed_at):
            return reason or "revoked"
        if issued_at <= tokens_before:
            return "role_changed"
    return None


def events(response):
    """Server-sent events; every event of this stream has one line of data."""
    event = {}
    for line in response:
        line = line.decode("utf-8").rstrip("\n")
        if line:
            name, _, value = line.partition(": ")
            event[name] = value
        else:
            yield event["event"], event.get("id"), json.loads(event["data"])
            event = {}


def follow(view, url, api_key):
    """Never returns: connects again whenever the stream ends, and goes on after the last event that it had."""
    last_id = None
    while True:
        try:
            request = urllib.request.Request(url + "/v1/revocations/stream")
            request.add_header("Authorization", "Bearer " + api_key)
            if last_id is not None:
                request.add_header("Last-Event-ID", last_id)
            with urllib.request.urlopen(request, timeout=SILENCE_S) as response:
                ready = False
                for name, event_id, data in events(response):
                    if name == "states":
                        for state in data["states"]:
                            view.merge(state)
                    ready = ready or name == "ready"
                    if ready and name in ("ready", "heartbeat"):
                        view.prove(data["as_of"], data["age_ms"])
                    last_id = event_id or last_id
        except (OSError, ValueError, KeyError) as error:
            print(f"connecting again: {error}", file=sys.stderr)
        time.sleep(0.5)


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: python3 stream.py <provider id> <user id>…")
    view = View()
    follower = (view, os.environ["RESCIND_URL"], os.environ["RESCIND_API_KEY"])
    threading.Thread(target=follow, args=follower, daemon=True).start()
    while not view.is_fresh():
        time.sleep(0.05)
    provider_id, *users = sys.argv[1:]
    for user in users:
        reason = judge(view, provider_id, {"sub": user, "iat": time.time()})
        print(f"{user}: {reason or 'not revoked'}", flush=True)


if __name__ == "__main__":
    main()
