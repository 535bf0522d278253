"""The page in a browser: what it asks for, what keys and clicks do, and whether everyone can read it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.media.clips import picture, write_clip
from tests.report.conftest import FRAMES, Made, do

RATE = 25
SOURCE, RESULT = "document.querySelector('video.source')", "document.querySelector('video.result')"

CONTRASTS = """() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((v) => v / 255).map(
      (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let e = node; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color[3] > 0.5) return color;
    }
    return [255, 255, 255, 1];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility() || parent.closest("script,style,title,desc")) continue;
    const style = getComputedStyle(parent), inked = parent.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(parse(inked)), light(ground(parent))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), node.data.trim().slice(0, 40)]);
  }
  return found;
}"""

UNNAMED = """() => [...document.querySelectorAll("a, button, input, video, summary, [role]")]
  .filter((e) => {
    const by = (e.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id));
    const text = e.getAttribute("aria-label") || by.map((one) => one && one.textContent).join("") || e.textContent;
    return !text.trim() || by.slice(0, e.hasAttribute("aria-labelledby") ? 9 : 0).includes(null);
  }).map((e) => e.outerHTML.slice(0, 80))"""


def wait_for(page: Any, condition: str) -> None:
    """Ask again and again; Playwright's own way would have the page evaluate texts, which its policy forbids."""
    deadline_s = time.monotonic() + 15
    while not page.evaluate(condition):
        assert time.monotonic() < deadline_s, condition
        page.wait_for_timeout(10)


class Tab:
    """An open page with what it said and asked for."""

    def __init__(self, browser: Any, address: Path, **context: Any) -> None:
        options = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **context}
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append("a dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address.as_uri())

    def ready(self) -> Any:
        """The page, once both films can be played."""
        wait_for(self.page, f"{SOURCE}.readyState >= 2 && {RESULT}.readyState >= 2")
        return self.page


@pytest.fixture
def tab(browser: Any, made: Made) -> Iterator[Tab]:
    one = Tab(browser, made.page)
    yield one
    one.context.close()


def frame_of(page: Any, video: str, first: int = 0) -> int:
    """The frame of the film that a player shows."""
    return int(page.evaluate(f"{video}.currentTime") * RATE + 1e-3) - first


def settle(page: Any) -> None:
    wait_for(page, f"!{SOURCE}.seeking && !{RESULT}.seeking")


def test_the_page_says_nothing_in_the_console_and_asks_for_nothing_but_the_films_beside_it(
    tab: Tab, made: Made
) -> None:
    tab.ready()
    assert tab.said == []
    names = {address.rpartition("/")[2] for address in tab.asked if not address.startswith("data:")}
    assert names == {"report.html", "clip.mp4"}
    assert all(address.startswith(("file://", "data:")) for address in tab.asked)


def test_the_slider_moves_by_keys_and_shows_more_of_the_source(tab: Tab) -> None:
    stage = tab.page.locator(".stage").first
    stage.locator("input").focus()
    before = stage.screenshot()
    for _ in range(20):
        tab.page.keyboard.press("ArrowRight")
    assert stage.evaluate("e => getComputedStyle(e).getPropertyValue('--at')") == "70%"
    assert "70%" in stage.locator(".over").evaluate("e => getComputedStyle(e).clipPath")
    assert stage.locator("input").get_attribute("aria-valuetext") == "70 percent source"
    assert stage.screenshot() != before


def test_the_slider_follows_a_finger(tab: Tab) -> None:
    stage = tab.page.locator(".stage").first
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    y = box["y"] + box["height"] / 2
    tab.page.mouse.move(box["x"] + box["width"] / 2, y)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + box["width"] * 0.25, y)
    tab.page.mouse.up()
    at = tab.page.evaluate("getComputedStyle(document.querySelector('.stage')).getPropertyValue('--at')")
    assert abs(float(at.rstrip("%")) - 25) <= 2


@pytest.mark.parametrize("video", [SOURCE, RESULT])
def test_where_one_player_is_sent_the_other_goes(tab: Tab, video: str) -> None:
    page = tab.ready()
    time_s = (10.5 + (2 if video == SOURCE else 0)) / RATE
    page.evaluate(f"{video}.currentTime = {time_s}")
    wait_for(page, f"Math.abs({SOURCE}.currentTime - {RESULT}.currentTime - 2 / {RATE}) < 0.5 / {RATE}")
    settle(page)
    assert (frame_of(page, SOURCE, first=2), frame_of(page, RESULT)) == (10, 10)
    assert page.locator(".player output").text_content() == "frame 12"


def test_both_play_in_step_and_pause_at_the_same_frame(tab: Tab) -> None:
    page = tab.ready()
    page.evaluate(f"{RESULT}.muted = true")
    page.locator(".toggle").click()
    wait_for(page, f"{RESULT}.currentTime > 0.25")
    assert page.evaluate(f"!{SOURCE}.paused")
    apart = page.evaluate(f"Math.abs({SOURCE}.currentTime - {RESULT}.currentTime - 2 / {RATE})")
    assert apart < 2 / RATE
    page.evaluate(f"{SOURCE}.pause()")
    wait_for(page, f"{SOURCE}.paused && {RESULT}.paused")
    settle(page)
    assert abs(frame_of(page, SOURCE, first=2) - frame_of(page, RESULT)) <= 1
    assert page.locator(".toggle").text_content() == "Play"


def test_keys_go_by_single_frames_and_a_click_in_a_chart_to_its_frame(tab: Tab) -> None:
    page = tab.ready()
    for keys, frame in (("...", 3), (",", 2), (",,,,", 0)):
        for key in keys:
            page.keyboard.press(key)
            settle(page)
        assert (frame_of(page, RESULT), frame_of(page, SOURCE, first=2)) == (frame, frame)
    svg = page.locator(".chart svg").first
    box = svg.bounding_box()
    x = float(svg.locator("circle").nth(20).get_attribute("cx")) * box["width"] / 540
    svg.click(position={"x": x, "y": box["height"] / 2})
    settle(page)
    assert (frame_of(page, RESULT), frame_of(page, SOURCE, first=2)) == (20, 20)


def test_the_players_slider_goes_by_single_frames_with_the_arrow_keys(tab: Tab) -> None:
    page = tab.ready()
    page.locator(".seek").focus()
    for key, frame in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", FRAMES - 1)):
        page.keyboard.press(key)
        settle(page)
        assert (frame_of(page, RESULT), frame_of(page, SOURCE, first=2)) == (frame, frame)
    place = page.locator(".seek").evaluate("e => [Number(e.value), Number(e.max)]")
    assert place == [FRAMES - 1, FRAMES - 1]


def test_no_focus_is_shown_where_a_mouse_moves_a_slider(tab: Tab) -> None:
    stage = tab.page.locator(".stage").first
    outline = "e => getComputedStyle(e).outlineStyle"
    stage.locator("input").click()
    assert stage.evaluate(outline) == "none"
    tab.page.keyboard.press("ArrowRight")
    assert stage.evaluate(outline) == "solid"


def test_charts_have_as_many_points_as_there_are_frames_and_mark_cuts_and_borders(tab: Tab) -> None:
    def count(key: str, what: str) -> int:
        return tab.page.locator(f".chart[data-key={key}] {what}").count()

    keys = ("loss", "iterations", "brightness", "saturation", "sharpness")
    assert {key: count(key, "circle") for key in keys} == dict.fromkeys(keys, FRAMES)
    assert count("flicker", "circle") == FRAMES - 2  # a shot's first frame has none before it
    assert count("loss", "line.cut") == 1
    assert count("loss", "line.seam") == 3
    title = tab.page.locator(".chart[data-key=iterations] circle title").first
    assert title.text_content() == "frame 2: 60 (cold)"


def test_everything_that_can_be_used_has_a_name_and_every_picture_a_text(tab: Tab) -> None:
    page = tab.page
    assert page.evaluate(UNNAMED) == []
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    assert page.evaluate("document.documentElement.lang") == "en"
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((e) => +e.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_the_focus_is_to_be_seen_wherever_it_goes(tab: Tab) -> None:
    outlines = """() => {
      const e = document.activeElement, stage = e.closest(".stage");
      const style = getComputedStyle(stage || e);
      return [e.outerHTML.slice(0, 60), style.outlineStyle, parseFloat(style.outlineWidth)];
    }"""
    seen = set()
    for _ in range(24):
        tab.page.keyboard.press("Tab")
        name, style, width = tab.page.evaluate(outlines)
        if name.startswith("<body"):  # after the last one
            break
        seen.add(name)
        assert style != "none", name
        assert width >= 2, name
    assert len(seen) > 10


@pytest.mark.parametrize("width", [360, 390, 768])
def test_no_page_is_wider_than_its_screen(browser: Any, made: Made, width: int) -> None:
    tab = Tab(browser, made.page, viewport={"width": width, "height": 740})
    tab.page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    tab.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(browser: Any, made: Made, scheme: str) -> None:
    tab = Tab(browser, made.page, color_scheme=scheme)
    tab.page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    found = tab.page.evaluate(CONTRASTS)
    assert len(found) > 100
    assert [one for one in found if one[0] < 4.5] == []
    ground = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(23, 24, 26)") is (scheme == "dark")
    tab.context.close()


def test_who_wants_no_motion_gets_none(browser: Any, made: Made) -> None:
    count = "document.getAnimations().length"
    still = Tab(browser, made.page)
    moving = Tab(browser, made.page, reduced_motion="no-preference")
    assert (still.page.evaluate(count), moving.page.evaluate(count)) == (0, 1)
    still.context.close()
    moving.context.close()


def test_films_that_cannot_be_played_give_way_to_a_note(browser: Any, made: Made, tmp_path: Path) -> None:
    alone = tmp_path / "report.html"
    shutil.copy(made.page, alone)
    tab = Tab(browser, alone)
    tab.page.wait_for_selector(".unplayable:visible")
    assert not tab.page.locator(".player").is_visible()
    tab.context.close()


HOSTILE = (
    "</script><script>alert(1)<",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "line\nbreak {{7*7}} #1?&amp;%41",
    "javascript:alert(1)",
)


def test_names_are_texts_whatever_they_look_like(browser: Any, tmp_path: Path, style_image: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for index, name in enumerate(HOSTILE):
        safe = name.replace("/", "\u2215") if index else name.replace("/", "")
        Image.fromarray(picture(index)).save(folder / f"{safe}.png")
    (folder / f"{HOSTILE[1]}.jpg").write_bytes(b"broken")
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    clip.rename(folder / f"{HOSTILE[3]}.mp4")
    one = do(tmp_path, {"style": str(style_image), "transfer": {"size": 64}, "video": {"cuts": []}})
    tab = Tab(browser, one.page)
    page = tab.ready()  # so its address was understood
    assert tab.said == []
    assert page.locator("script").count() == 1
    assert page.locator("img[onerror], [onmouseover], a[href^='javascript']").count() == 0
    text = page.locator("main").text_content()
    assert HOSTILE[1] in text
    assert HOSTILE[4] in text
    assert "{{7*7}}" in text
    assert r"line\nbreak" in text
    tab.context.close()
