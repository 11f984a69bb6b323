"""A headless Chromium, driven through its debugging pipe (standard library only).

    with Browser(width=1200, height=900, dark=True) as browser:
        page = browser.open("http://127.0.0.1:9846/")
        page.until("document.title !== ''", "a title")
        page.evaluate("document.title")              # any value that JSON can hold
        page.screenshot("page.png")
        page.problems                                # what the console and the network complained of
        page.requests                                # addresses that were asked for

`find()` gives the path of the program, None where there is none.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def find():
    """The first of the known programs that is installed."""
    return next((path for path in map(shutil.which, PROGRAMS) if path), None)


class BrowserError(Exception):
    """The browser refused a command, or a page threw."""


class Page:
    """A tab."""

    def __init__(self, browser, target):
        self._browser = browser
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.problems, self.requests, self.console = [], [], []
        browser.listen(self._session, self._event)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def call(self, method, **arguments):
        """One command of the protocol for this tab."""
        return self._browser.call(method, session=self._session, **arguments)

    def _event(self, method, about):
        if method == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled":
            text = " ".join(str(one.get("value", one.get("description", ""))) for one in about["args"])
            self.console.append((about["type"], text))
            if about["type"] in ("error", "warning", "assert"):
                self.problems.append(text)
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.problems.append(about["entry"]["text"] + " " + about["entry"].get("url", ""))
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(about["url"])

    def go(self, url):
        """Loads an address and waits until it is loaded."""
        answer = self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise BrowserError(f"{url}: {answer['errorText']}")
        self.until("document.readyState === 'complete'", f"{url} to be loaded")

    def evaluate(self, expression):
        """The value of an expression in the page; promises are waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def until(self, expression, what, timeout=180):
        """Evaluates until the value is true, and returns it."""
        end = time.monotonic() + timeout
        while True:
            value = self.evaluate(expression)
            if value:
                return value
            if time.monotonic() > end:
                raise BrowserError(f"waited in vain for {what}; last value {value!r}")
            self._browser.pump(0.05)

    def screenshot(self, path, whole=True):
        """Writes a picture of the window, or of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))

    def pdf(self, path):
        """Writes what would be printed."""
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.printToPDF")["data"]))

    def press(self, key):
        """Presses a key, such as Tab or Enter."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        more = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode=codes.get(key, 0), **(more if kind == "keyDown" else {}))


def _high(descriptor):
    """The same under a number that is not in the way of 3 and 4."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 50)
    os.close(descriptor)
    return moved


class Browser:
    """The program, with one window size and colour scheme."""

    def __init__(self, width=1280, height=900, dark=False):
        self._folder = tempfile.mkdtemp(prefix="tpbrowser.")
        self._dark, self._size = dark, (width, height)
        self._answers, self._listeners, self._number, self._rest = {}, {}, 0, b""
        theirs, self._write = os.pipe()
        self._read, back = os.pipe()
        theirs, back = _high(theirs), _high(back)
        argv = [find(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-extensions", "--disable-background-networking", "--hide-scrollbars",
                f"--user-data-dir={self._folder}", f"--window-size={width},{height}", "--remote-debugging-pipe",
                "about:blank"]
        # The protocol is spoken on descriptors 3 and 4.
        script = f'exec 3<&{theirs} 4>&{back} {theirs}<&- {back}>&-; exec "$@"'
        self._process = subprocess.Popen(["bash", "-c", script, "browser", *argv], pass_fds=(theirs, back),
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, start_new_session=True,
                                         env={**os.environ, "HOME": self._folder})
        os.close(theirs)
        os.close(back)
        self.call("Browser.getVersion")

    def listen(self, session, function):
        """Calls function(method, arguments) for each event of a tab."""
        self._listeners[session] = function

    def pump(self, seconds):
        """Reads what comes for a while."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            ready, _, _ = select.select([self._read], [], [], max(left, 0))
            if not ready:
                return
            data = os.read(self._read, 1 << 20)
            if not data:
                raise BrowserError("the browser ended")
            *messages, self._rest = (self._rest + data).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._answers[message["id"]] = message
                elif message.get("sessionId") in self._listeners:
                    self._listeners[message["sessionId"]](message["method"], message["params"])
            if messages:
                return

    def call(self, method, session=None, timeout=180, **arguments):
        """One command of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": arguments}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + timeout
        while self._number not in self._answers:
            if time.monotonic() > end:
                raise BrowserError(f"{method}: no answer")
            self.pump(1)
        answer = self._answers.pop(message["id"])
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def open(self, url):
        """A new tab with that address."""
        page = Page(self, self.call("Target.createTarget", url="about:blank")["targetId"])
        width, height = self._size
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        page.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if self._dark else "light"}])
        page.go(url)
        return page

    def close(self):
        """Ends the program."""
        try:
            self.call("Browser.close", timeout=5)
            self._process.wait(10)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._read)
        os.close(self._write)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
