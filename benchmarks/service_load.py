"""The service under load: python benchmarks/service_load.py PHOTO (--help shows the rest).

Clients ask again as soon as they are answered. It prints throughput, latencies, statuses, and the memory of the service
and its workers every tenth of the time. For twice the capacity: --clients 18 with --max-waiting 8 and one worker.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path


def ask(port: int, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("GET" if body is None else "POST", path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def megabytes(port: int) -> float:
    lines = ask(port, "/metrics")[1].decode().splitlines()
    names = ("process_resident_memory_bytes", "handseg_worker_resident_bytes")
    return sum(float(line.split()[1]) for line in lines if line.startswith(names)) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photo", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--workers", default="1")
    parser.add_argument("--max-waiting", default="8")
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    command = [sys.executable, "-m", "handseg", "serve", "--port", "0", "--model", options.model]
    command += ["--workers", options.workers, "--max-waiting", options.max_waiting]
    service = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert service.stderr is not None
    port = int(service.stderr.readline().rsplit(":", 1)[1].strip("/\n"))
    photo = options.photo.read_bytes()
    statuses: Counter[str] = Counter()
    served: list[float] = []
    end = time.monotonic() + options.seconds

    def client() -> None:
        while (start := time.monotonic()) < end:
            try:
                status = str(ask(port, "/predict", photo)[0])
            except OSError as error:
                status = type(error).__name__
            statuses[status] += 1
            if status == "200":
                served.append(time.monotonic() - start)
            else:
                time.sleep(1)  # what Retry-After says

    clients = [threading.Thread(target=client) for _ in range(options.clients)]
    for each in clients:
        each.start()
    memory = []
    while time.monotonic() < end:
        time.sleep(options.seconds / 10)
        memory.append(round(megabytes(port)))
    for each in clients:
        each.join()
    service.terminate()
    service.wait()
    quantiles = statistics.quantiles(served, n=100)
    print(f"{len(served) / options.seconds:.2f} images/s, statuses {dict(statuses)}")
    print(f"latency p50 {quantiles[49]:.2f} s, p95 {quantiles[94]:.2f} s, p99 {quantiles[98]:.2f} s")
    print(f"memory in MB: {memory}")


if __name__ == "__main__":
    main()
