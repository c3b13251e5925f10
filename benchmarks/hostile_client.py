"""A client that does its worst: posts bodies from a file in a loop, over several connections, until it is ended."""

import http.client
import itertools
import json
import sys
from pathlib import Path
from threading import Thread


def main(port: int, key: str, connections: int, requests: Path) -> None:
    """Send `requests`, lines of [method, path, body], over and over again, whatever is answered."""
    lines = [json.loads(line) for line in requests.read_text().splitlines()]

    def send(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        for method, path, body in itertools.islice(itertools.cycle(lines), first, None):
            try:
                connection.request(method, path, json.dumps(body).encode(), headers)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()

    threads = [Thread(target=send, args=(number,), daemon=True) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
