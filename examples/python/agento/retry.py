#!/usr/bin/env python3
"""A call that is tried again: one span around all attempts, one for each. The first
attempt fails, the second succeeds; with -f all of them fail, and the exception of the last
one ends the program."""
import sys

import spanring
from spanring import genai

MODEL = "gemini-1.5-pro"
# What the vendor sends back; where tokens are counted differs from vendor to vendor.
ANSWER = {"text": "It worked the second time.",
          "usageMetadata": {"promptTokenCount": 120, "candidatesTokenCount": 48}}


class ResourceExhausted(Exception):
    """The vendor is too busy."""


def ask(prompt, attempt, always_fail):
    with genai.llm("gemini", MODEL, name="llm.gemini.chat", temperature=0, input=prompt) as call:
        if attempt == 0 or always_fail:
            raise ResourceExhausted("429: quota exceeded")
        call.respond(ANSWER["text"], finish_reasons="stop", usage=genai.Usage.of(ANSWER))
        return ANSWER["text"]


def ask_with_retry(prompt, always_fail):
    with genai.retry("retry", 2, backoff=genai.Backoff(base_ms=10, jitter_ms=5),
                     retry_on=ResourceExhausted) as tries:
        for attempt in tries:
            with attempt:
                return ask(prompt, attempt.number, always_fail)


def main():
    spanring.configure(service_name="agento", service_version="1.0.0")
    # One process is the whole run here: its end is the run's end.
    with spanring.run("agento.pipeline", "Ask a busy model one question", join=True) as run:
        run.respond(ask_with_retry("Are you there?", "-f" in sys.argv))


main()
