"""Open a plan's page in headless Chromium, move the pointer over it, and look at what it says.

    make page-check                      CHROMIUM=path overrides the browser that is looked for

The browser is driven through the pipes of its DevTools protocol, which needs no package. Saved
under build/: the page and a screenshot of it.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import autodiff as ad

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Browser:
    """A headless browser with one page open."""

    def __init__(self, command, url):
        ours, theirs = os.pipe(), os.pipe()
        self.pipes = ours, theirs
        arguments = [
            command, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
            "--no-first-run", "--disable-extensions", "--disable-background-networking",
            f"--user-data-dir={Path('build/page-check').resolve()}", "about:blank"]
        # The protocol reads from descriptor 3 and writes to 4.
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" 3<&{theirs[0]} 4>&{ours[1]}', "sh", *arguments],
            pass_fds=(theirs[0], ours[1]), stderr=subprocess.DEVNULL)
        os.close(theirs[0])
        os.close(ours[1])
        self.number, self.buffer, self.events, self.session = 0, b"", [], None
        target = next(t for t in self.ask("Target.getTargets")["targetInfos"]
                      if t["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=target["targetId"],
                                flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Emulation.setDeviceMetricsOverride", width=1200, height=1000,
                 deviceScaleFactor=1, mobile=False)
        self.ask("Page.navigate", url=url)
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self.read()

    def read(self):
        """Read one message; events are kept, an answer is returned."""
        while b"\0" not in self.buffer:
            more = os.read(self.pipes[0][0], 1 << 20)
            if not more:
                raise SystemExit("the browser ended")
            self.buffer += more
        text, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(text)
        if "method" in message:
            self.events.append(message)
            return None
        return message

    def ask(self, method, **parameters):
        """Send a command and wait for its answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.pipes[1][1], json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer and answer["id"] == self.number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]

    def value(self, expression):
        """Evaluate JavaScript in the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    def close(self):
        self.ask("Browser.close")
        self.process.wait(10)

    def complaints(self):
        """What the console showed, exceptions, and what was asked of a network."""
        found = []
        for event in self.events:
            what = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(what["exceptionDetails"]["text"])
            elif event["method"] in ("Runtime.consoleAPICalled", "Log.entryAdded"):
                found.append(json.dumps(what))
            elif event["method"] == "Network.requestWillBeSent":
                url = what["request"]["url"]
                if not url.startswith(("file:", "data:")):
                    found.append(f"asked for {url}")
        return found


def a_plan():
    """A plan that recomputes, with a name that a page must escape."""
    def cost(Ws, X):
        h = X
        for W in Ws:
            h = np.tanh(h @ W)
        return (h * h).sum()

    f, args = ad.value_and_grad(cost), ([np.ones((32, 32))] * 12, np.ones((256, 32)))
    budget = ad.plan(f, *args).peak_bytes * 6 // 10
    plan = ad.plan(f, *args, policy=ad.Budget(budget, time_limit=0))
    plan.variable(plan.steps[0][1]).name = "</script><b>&amp;"
    return plan


def check(browser, plan):
    """Say what is wrong with the page, in a list."""
    wrong = []
    computes = sum(action == "compute" for action, *_ in plan.steps)
    bars = browser.value("document.querySelectorAll('#timeline rect.first, rect.again').length")
    if bars < 2 * computes:
        wrong.append(f"{bars} bars for {computes} computations")
    box = browser.value("(() => { const b = svg.getBoundingClientRect();"
                        "return [b.left, b.top, b.width, b.height]; })()")
    place, seen = {}, set()
    for number, (action, region, _) in enumerate(plan.steps):
        if action == "compute":
            place[len(place)] = number, region
    for k in range(0, computes, max(1, computes // 25)):
        across = browser.value(f"x({k} + 0.5) / (left + wide + 10)")
        browser.ask("Input.dispatchMouseEvent", type="mouseMoved",
                    x=box[0] + across * box[2], y=box[1] + 0.4 * box[3])
        text = browser.value("hover.textContent")
        number, region = place[k]
        x = plan.variable(region)
        for part in (f"step {number}: {x.name} = {plan.operation(region)}", x.line, "held",
                     "cost"):
            if part not in text:
                wrong.append(f"computation {k}: no {part!r} in {text!r}")
        again = region in seen or any(r == region for j, (_, r) in place.items() if j < k)
        seen.add(region)
        if ("first evaluation" in text) == again:
            wrong.append(f"computation {k}: {text!r}, but computed before: {again}")
    before = browser.value("hover.textContent")
    for kind in ("keyDown", "keyUp"):
        browser.ask("Input.dispatchKeyEvent", type=kind, key="ArrowLeft")
    if browser.value("hover.textContent") == before:
        wrong.append("the arrow keys do nothing")
    rows = browser.value("document.querySelectorAll('#held tr').length")
    if rows != 1 + len(plan.peak_breakdown):
        wrong.append(f"{rows} rows for the {len(plan.peak_breakdown)} parts of the peak")
    return wrong + browser.complaints()


def main():
    command = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if command is None:
        raise SystemExit("page-check needs Chromium: apt-get install chromium, or CHROMIUM=path")
    out = Path("build")
    out.mkdir(exist_ok=True)
    plan, page = a_plan(), out / "plan.html"
    plan.to_html(page)
    browser = Browser(command, page.resolve().as_uri())
    try:
        wrong = check(browser, plan)
        picture = browser.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        (out / "plan.png").write_bytes(base64.b64decode(picture))
    finally:
        browser.close()
    print("\n".join(wrong) or f"{page} works; picture: {out / 'plan.png'}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
