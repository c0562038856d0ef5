"""A load of a known kind on an agent, and what must have become of it: processes
of two threads that write, die and leave (tests/e2e/kill_writer.c), whose own
notes say what the archives must hold."""
import subprocess
import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from kill_checker import check_lives, read_lives
from support import PATIENCE_S, check, check_ledgers, tool

CYCLE_PAUSE_US = 60000
# Lives of an agent are short here; runs are to be sealed, and reopened, within them.
QUICK_SEAL = ("--set", "archive.idle_timeout=40ms")


class Load:
    def __init__(self, place, seed, mode="mixed", pause_us=CYCLE_PAUSE_US):
        self.place = place
        self.notes = place.memory / "notes"
        self.notes.mkdir()
        self.writer = subprocess.Popen(
            [tool("kill_writer"), self.notes, str(seed), "0", mode, str(pause_us)],
            env=place.environment(), stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.writer.poll() is None:
            self.stop()

    def stop(self):
        """Ends the load; returns how many processes there were."""
        self.writer.terminate()
        lives = int(self.writer.communicate(timeout=PATIENCE_S)[0])
        check(self.writer.returncode == 0, "a writer was harmed")
        return lives

    def check(self, agent, server=None, refusals=False):
        """After stop(): everything is archived, the ledgers add up, the agent
        leaves in peace. Returns the ids of all spans and how many went twice."""
        agent.wait_archived(timeout=60)
        status = agent.wait_sent()
        check_ledgers(status)
        check(status["log"]["damaged_frames"] == 0, "the log was damaged")
        check(agent.stop() == 0, "the agent's exit status")
        lived = read_lives(self.notes)
        refused = sum(life.refused() for life in lived)
        check(refusals or refused == 0, "refused although there was room")
        ids = check_lives(lived, self.place.archives())
        return ids, check_received(server, ids) if server else 0


def check_received(server, ids):
    """At least once; a duplicate has the ids and the bytes of the first."""
    received, twice = {}, 0
    for span in server.spans():
        key = (span.trace_id.hex(), span.span_id.hex())
        twice += key in received
        check(received.setdefault(key, span.SerializeToString()) == span.SerializeToString(),
              f"span {key} was sent in two forms")
    check(received.keys() == ids, f"{len(ids - received.keys())} spans were never sent, "
          f"{len(received.keys() - ids)} are in no archive")
    return twice
