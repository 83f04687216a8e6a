"""Takes a job, does it, says so; ends after the one in hand when it is asked to stop."""
import json
import math
import signal
import socket
import time

from queue_client import Queue

going_on = True


def stop(*_):
    global going_on
    going_on = False


signal.signal(signal.SIGTERM, stop)
queue = Queue()
name = socket.gethostname()
print(f"worker {name} waits for jobs")
while going_on:
    taken = queue.ask("BRPOP", "waiting", 1)
    if taken is None:
        continue
    job = json.loads(taken[1])
    time.sleep(0.1)  # hard work
    queue.ask("LPUSH", "done", json.dumps({**job, "result": math.factorial(job["number"]), "worker": name}))
    print(f"job {job['job']} done")
print("worker ended well")
