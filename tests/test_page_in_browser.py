"""The page as people use it, in a real browser: searched, opened, copied, sent, printed; with a mouse, a keyboard, a phone.

Guards: nothing is fetched and nothing that a kernel says is run; every sign is more than a colour and can be read in light and
dark; what is not in sight is not built, and is there when somebody goes to it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import pytest
from browser import DESKTOP, PHONE, Browser, running
from made import behaviour, case, cell, evidence
from matrices import large, own
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from ksem import cite
from ksem.decider import deciders
from ksem.guest.case import Rule
from ksem.matrix import Matrix, build

TRACE = (["main", "mnt:0 user:0", "unshare", ["CLONE_NEWNS"], "0"], ["child", "mnt:1 user:0", "mount", ['"a"', "NULL"], "ok"])
REFUSED = (TRACE[0], [*TRACE[1][:4], "EPERM"])
CHANGED = case((Rule({"mount": "ok", "flags": ["ro"]}, since="6.12", cites="abc123 (6.12)"),
                Rule({"mount": "EPERM", "flags": ["ro"]}, cites="mount(2)")),
               params={"fs": ("tmpfs", "ext4")}, claim="A mount is a mount.", documented="It never is.")


def seen(result: str, fs: str, *, wrong: bool = False) -> object:
    """A cell of mounts.changed."""
    return cell({"mount": "ENOENT" if wrong else result, "flags": ["ro"]}, {"fs": fs}, name="mounts.changed",
                trace=TRACE if result == "ok" else REFUSED)


def small() -> Matrix:
    """Two areas, three kernels, every verdict."""
    every = case({"is": "so"}, params={"n": (1, 2, 3, 4, 5, 6, 7)}, claim="It is so.")
    statuses = ("observed", "unsupported", "broken", "lost")
    last = [cell({"is": "so"} if status == "observed" else None, {"n": number}, name="other.every", status=status,
                 reason="" if status == "observed" else f"why it is {status}") for number, status in enumerate(statuses, 1)]
    last.append(cell({"is": "not"}, {"n": 5}, name="other.every"))
    last.append(cell(None, {"n": 7}, name="other.every", status="flaky", reason="why it is flaky"))
    fine = [cell({"is": "fine"}, name="mounts.fine")]
    return build([behaviour(CHANGED, "mounts.changed"), behaviour(case({"is": "fine"}, claim="All is fine."), "mounts.fine"),
                  behaviour(every, "other.every")], [
        evidence("debian-6.1", "6.1.7", seen("EPERM", "tmpfs"), seen("EPERM", "ext4"), *fine, *last,  # type: ignore[arg-type]
                 environment={"backend": "qemu", "sysctl": {"fs.a": "1"}}),
        evidence("debian-6.12", "6.12.3", seen("ok", "tmpfs"), seen("ok", "ext4", wrong=True), *fine),  # type: ignore[arg-type]
        evidence("debian-6.16", "6.16.1", seen("ok", "tmpfs"), seen("ok", "ext4"), *fine)])  # type: ignore[arg-type]


SMALL = small()
EVERY_CELL = "#body .row > .cell"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all; each test opens its own page."""
    with running() as one:
        yield one


def names(browser: Browser) -> list[str]:
    """The cases that are shown."""
    return browser.shown("#body .case:not([hidden]) .top .title code")


def at(browser: Browser, row: str, column: str) -> str:
    """The selector of a cell, by its row's place and its column's name."""
    number = browser.script("return COLUMNS.findIndex(one => one.name === arguments[0])", column)
    return f'#body {row} > .cell[data-column="{number}"]'


def panel(browser: Browser) -> dict[str, str]:
    """What the open evidence says, part by part."""
    browser.wait(lambda: browser.shown("#panel"))
    browser.wait(lambda: browser.script("return $('panel').dataset.cell === address()"))
    titles, texts = browser.shown("#panel h3"), browser.shown("#panel .parts > section")
    return {title.lower(): text.partition("\n")[2].strip() for title, text in zip(titles, texts, strict=True)} | {
        "": browser.shown("#panel > header")[0]}


def test_nothing_is_fetched_and_nothing_is_complained_about(browser: Browser) -> None:
    browser.open(own())
    browser.one(at(browser, ".top", "debian-5.10")).click()
    panel(browser)
    logged, fetched = browser.heard()
    assert logged == []
    assert [url.partition("#")[0].rpartition("/")[2] for url in fetched if not url.startswith("data:")] == ["page.html"]


def test_rows_are_grouped_by_area_and_columns_by_series(browser: Browser) -> None:
    browser.open(SMALL)
    assert browser.texts("#body h2") == ["mounts2 cases, 1 with differences", "other1 case, none with differences"]
    assert names(browser) == ["changed", "fine", "every"]
    assert browser.shown("#head .series") == ["6.1", "6.12", "6.16"]
    assert browser.shown("#head .column b") == ["6.1.7", "6.12.3", "6.16.1"]
    assert browser.shown("#tally") == ["3 cases, 10 parameter sets, 3 kernels from 6.1 to 6.16"]


def test_a_case_opens_its_rows_and_closes_them(browser: Browser) -> None:
    browser.open(SMALL)
    assert browser.all("#body .set") == []
    browser.one("#body .case .top .name").click()
    assert browser.texts("#body .set .name") == ["fs=tmpfs", "fs=ext4"]
    assert browser.one("#body .top").get_attribute("aria-expanded") == "true"
    browser.one("#body .case .top .name").click()
    assert browser.all("#body .set") == []
    browser.one("#expand").click()
    assert len(browser.all("#body .set")) == 9
    browser.one("#expand").click()
    assert browser.all("#body .set") == []


def test_every_sign_is_more_than_a_colour(browser: Browser) -> None:
    browser.open(SMALL)
    browser.one("#expand").click()
    signs = browser.script(f"return [...document.querySelectorAll('{EVERY_CELL}')].map(one => [one.className.replace("
                           r"/\b(cell|start|end|first|edge)\b/g, '').trim(), one.querySelector('b').textContent])")
    found: dict[str, set[str]] = {}
    for look, sign in signs:
        found.setdefault(" ".join(look.split()), set()).add(sign)
    assert found == {
        "conforms": {"\u2713"}, "conforms many k0": {"A"}, "conforms many k1": {"B"}, "conforms many k2": {"C"},
        "differs": {"\u2717"}, "differs many k1": {"\u2717"}, "unsupported": {"n/a"}, "broken": {"!"}, "lost": {"\u2020"},
        "flaky": {"?"}, "unknown": {"\u00b7"}}
    said = [one.get_attribute("aria-label") for one in browser.all(EVERY_CELL)]
    assert "mounts.changed[tmpfs] on debian-6.1: as expected, behaviour B, EPERM" in said
    assert "other.every[4] on debian-6.1: lost" in said


@pytest.mark.parametrize("dark", [False, True])
def test_every_sign_can_be_read(browser: Browser, dark: bool) -> None:
    """WCAG 2.1, 1.4.3: a contrast of at least 4.5 between text and its ground."""
    browser.open(SMALL, dark=dark)
    browser.one("#expand").click()
    browser.one(at(browser, ".set", "debian-6.12")).click()
    panel(browser)
    contrasts = browser.script("""
        const light = color => color.map(one => one / 255)
          .map(one => one <= .03928 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4)
          .reduce((sum, one, index) => sum + one * [.2126, .7152, .0722][index], 0);
        const numbers = text => text.match(/[\\d.]+/g).map(Number);
        const ground = node => { for (; node; node = node.parentElement) {
          const found = numbers(getComputedStyle(node).backgroundColor);
          if (found.length === 3 || found[3] === 1) return found.slice(0, 3); } return [255, 255, 255]; };
        return [...document.querySelectorAll('#body .cell b, #body .cell span, #body .name span, #panel *, #top *, #head *')]
          .filter(one => one.checkVisibility() && [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
          .map(one => { const [a, b] = [light(numbers(getComputedStyle(one).color)), light(ground(one))];
                        return [one.outerHTML, (Math.max(a, b) + .05) / (Math.min(a, b) + .05)]; });""")
    assert len(contrasts) > 50
    assert [one for one in contrasts if one[1] < 4.5] == []


def test_colours_follow_the_system_and_can_be_chosen(browser: Browser) -> None:
    def lightness() -> int:
        return int(re.findall(r"\d+", browser.script("return getComputedStyle(document.body).backgroundColor"))[0])

    browser.open(SMALL)
    assert lightness() > 200
    browser.emulate(dark=True)
    assert lightness() < 60
    browser.one("#theme").click()
    assert lightness() > 200
    browser.emulate()
    browser.one("#theme").click()
    assert lightness() < 60
    browser.one("#theme").click()
    assert lightness() > 200


@pytest.mark.parametrize(("query", "expected"), [
    ("MOUNTS", ["changed", "fine"]), ("fine", ["fine"]), ("unshare", ["changed"]), ("ext4", ["changed"]), ("n=3", ["every"]),
    ("mount is changed", ["changed"]), ("enoent", ["changed"]), ("never", ["changed"]), ("lost", ["every"]), ("fine ext4", [])])
def test_search_finds_names_claims_calls_and_values(browser: Browser, query: str, expected: list[str]) -> None:
    browser.open(SMALL)
    browser.press("/")
    browser.press(query)
    assert names(browser) == expected
    assert browser.one("#search").get_attribute("value") == query


def test_what_finds_nothing_says_so_and_can_be_undone(browser: Browser) -> None:
    browser.open(SMALL)
    browser.press("/", "no such thing")
    assert browser.shown("#nothing") == ["Nothing matches. Show everything"]
    assert browser.shown("#count") == ["0 cases, 0 rows"]
    browser.one("#reset").click()
    assert names(browser) == ["changed", "fine", "every"]


def test_only_differences(browser: Browser) -> None:
    browser.open(SMALL)
    browser.press("d")
    assert names(browser) == ["changed"]
    browser.one("#columns summary").click()
    browser.one('#columns input[value="0"]').click()
    browser.one("#expand").click()
    assert browser.texts("#body .set .name") == ["fs=ext4"]
    assert browser.shown("#head .series") == ["6.12", "6.16"]
    assert browser.shown("#columns summary") == ["Columns 2/3"]


def test_only_what_is_not_as_expected_and_only_what_the_manual_denies(browser: Browser) -> None:
    browser.open(SMALL)
    browser.one("label:has(#trouble)").click()
    assert names(browser) == ["changed", "every"]
    browser.one("label:has(#drift)").click()
    assert names(browser) == ["changed"]
    browser.one("#expand").click()
    assert browser.texts("#body .set .name") == ["fs=ext4"]


def test_filters_for_what_there_is_not_are_not_shown(browser: Browser) -> None:
    browser.open(build([behaviour(case({"is": "fine"}))], [evidence("one", "6.1", cell({"is": "fine"}))]))
    assert browser.shown(".switch") == ["Only differences"]
    assert browser.shown("#designs") == []


def test_only_an_area(browser: Browser) -> None:
    browser.open(SMALL)
    Select(browser.one("#area")).select_by_visible_text("other")
    assert names(browser) == ["every"]


def test_only_a_design(browser: Browser) -> None:
    designs = {"daemon": ("mounts.fine", "other.every", "gone.case"), "empty": ()}
    browser.open(dataclasses.replace(SMALL, designs=designs))
    assert browser.texts("#design option") == ["All designs", "daemon", "empty"]
    Select(browser.one("#design")).select_by_visible_text("daemon")
    assert names(browser) == ["fine", "every"]
    Select(browser.one("#design")).select_by_visible_text("empty")
    assert names(browser) == []


def test_a_cell_opens_its_evidence(browser: Browser) -> None:
    browser.open(SMALL)
    browser.one("#body .case .top .name").click()
    browser.one(at(browser, ".set", "debian-6.1")).click()
    found = panel(browser)
    assert re.split(r"\s*\n\s*", found[""])[:2] == ["mounts.changed", "fs=tmpfs"]
    assert "as expected, behaviour B on debian-6.1, 6.1.7" in found[""].replace("\n", " ")
    assert browser.texts("#panel tbody tr") == ["mount\u2260 EPERMok", "flagsroro"]
    assert browser.texts("#panel .kernels li") == ["Adebian-6.12, 6.16ok", "Bdebian-6.1EPERMthis one"]
    assert "mount(2)" in found["sources"]
    assert "The manual says otherwise. It never is." in found["sources"]
    assert browser.texts("#panel .trace")[0].splitlines() == [
        "main in mnt:0 user:0", "main   unshare(CLONE_NEWNS) = 0", "child in mnt:1 user:0",
        'child  mount("a", NULL) = -1 EPERM  \u2260 ok on debian-6.16']
    assert found["environment"].split() == ["backend", "qemu", "sysctl.fs.a", "1"]
    assert "Prose." in found["about the case"]


CITATION = """\
A mount is a mount.

Sources:
  intro(2)

Documentation that says otherwise, or less:
  It never is.

Seen on Linux with fs=tmpfs, as expected on 3 of 3 releases; where they
  differ:
  6.1.7:
    mount: EPERM
  6.12.3, 6.16.1:
    mount: ok
  since 6.12 (abc123 (6.12)), seen between 6.1.7 and 6.12.3

On Linux 6.1.7, qemu:
  with fs=tmpfs
  (2 calls)
  main, in mnt:0 user:0:
    unshare(CLONE_NEWNS) = 0
  child, in mnt:1 user:0:
    mount("a", NULL) = -1 EPERM
        (on 6.16.1: ok)

Run it again:
  ksem run debian-6.1.7 -k mounts.changed --params fs=tmpfs
"""


def test_what_a_cell_says_can_be_pasted_into_a_mail(browser: Browser) -> None:
    browser.open(SMALL, "#cell=mounts.changed[tmpfs]@debian-6.1")
    panel(browser)
    assert browser.texts("#panel .quoted pre") == [CITATION]
    browser.tell("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    browser.one("#panel .quoted button").click()
    browser.wait(lambda: browser.shown("#panel .quoted button") == ["Copied"])
    browser.script("const one = document.createElement('textarea'); document.body.append(one); one.focus()")
    browser.press(Keys.CONTROL + "v")
    assert browser.script("return document.activeElement.value") == CITATION


def test_a_browser_without_a_clipboard_copies_too(browser: Browser) -> None:
    browser.open(SMALL, "#cell=mounts.changed[tmpfs]@debian-6.1")
    panel(browser)
    browser.script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    browser.one("#panel .quoted button").click()
    browser.wait(lambda: browser.shown("#panel .quoted button") == ["Copied"])
    browser.press("/", Keys.CONTROL + "v")
    assert "A mount is a mount." in str(browser.one("#search").get_attribute("value"))


def citations(browser: Browser) -> dict[tuple[str, int, str], str]:
    """The text of every cell that was run, by case, row and column."""
    found: list[tuple[str, int, str, str]] = browser.driver.execute_async_script("""
        const done = arguments[0];
        (async () => {
          const texts = [];
          for (const section of SECTIONS) {
            const data = await evidence(section);
            for (const row of section.rows.keys()) for (const column of COLUMNS.keys()) {
              if (cellOf(section, row, column)[0] === 'unknown') continue;
              texts.push([section.name, row, COLUMNS[column].name, cited(section, data, row, column)]);
            }
          }
          done(texts);
        })();""")
    return {(case, row, column): text for case, row, column, text in found}


def test_a_cell_is_cited_as_the_command_does(browser: Browser) -> None:
    """Every text that a cell of some columns has; what was not observed is told by the page alone."""
    browser.open(SMALL)
    small_ones = citations(browser)
    assert small_ones["mounts.changed", 0, "debian-6.1"] == CITATION
    assert cite.cite(SMALL, SMALL.sections[0], [{"fs": "tmpfs"}], on="debian-6.1") == CITATION
    odd = cite.cite(SMALL, SMALL.sections[0], [{"fs": "ext4"}], on="debian-6.12")
    assert "  not as expected on debian-6.12:\n    mount: ENOENT; expected: ok\n" in odd
    assert small_ones["mounts.changed", 1, "debian-6.12"] == odd
    browser.open(own())
    found, compared = citations(browser), 0
    for section in own().sections:
        head = cite.head(section)
        for number, row in enumerate(section.rows):
            seen = cite.seen_text(own(), section, [row], row)
            for one in deciders(row, own().columns, ("debian-5.10", "debian-7.1")):
                told = [head, seen, cite.trace_text(own(), section, one, cite.CALLS), cite.again(section, one)]
                assert found[section.behaviour.name, number, one.result.column] == "\n\n".join(told) + "\n"
                compared += 1
    assert compared > 1500


def test_every_citation_fits_into_a_mail(browser: Browser) -> None:
    browser.open(own())
    found = citations(browser).values()
    assert len(found) == sum(result.verdict != "unknown" for result in own().results())
    assert {line for text in found for line in text.split("\n") if len(line) > 72 or not line.isascii()} == set()
    again = r"\n\nRun it again:\n  ksem run \S+( | \\\n +)-k \S+(( | \\\n +)--params( | \\\n +)('.*'|\S+))*\n$"
    assert [text for text in found if not re.search(again, text)] == []


def test_what_is_not_as_expected_stands_beside_the_expectation(browser: Browser) -> None:
    browser.open(SMALL, "#cell=mounts.changed[ext4]@debian-6.12")
    panel(browser)
    assert browser.texts("#panel thead th") == ["", "observed", "expected"]
    assert browser.texts("#panel tbody tr.wrong") == ["mount\u2717 ENOENTok"]
    assert "For this release: abc123 (6.12)" in browser.texts("#panel")[0]


def test_what_was_not_observed_says_why(browser: Browser) -> None:
    browser.open(SMALL, "#cell=other.every[4]@debian-6.1")
    assert panel(browser)["lost"] == "why it is lost"
    browser.press(Keys.ARROW_RIGHT)
    assert panel(browser)["observation"] == "Nothing was observed."


def test_a_cell_of_a_whole_case_lists_its_rows(browser: Browser) -> None:
    browser.open(SMALL)
    browser.one(at(browser, ".case .top", "debian-6.1")).click()
    panel(browser)
    assert browser.texts("#panel ul.kernels li") == ["Bfs=tmpfsEPERM", "Cfs=ext4EPERM"]
    browser.one("#panel ul.kernels button").click()
    assert "fs=tmpfs" in panel(browser)[""]


def test_a_columns_head_opens_its_environment(browser: Browser) -> None:
    browser.open(SMALL)
    browser.one('#head button[data-column="0"]').click()
    found = panel(browser)
    assert found["environment"].split() == ["backend", "qemu", "sysctl.fs.a", "1"]
    assert "2 as expected" not in found["cells"]
    assert "1 lost" in found["cells"]


def test_the_keyboard_is_enough(browser: Browser) -> None:
    browser.open(SMALL)
    assert len(browser.all("#body [tabindex='0']")) == 1
    browser.script("document.querySelector('#body [tabindex=\"0\"]').focus()")
    assert browser.focused().startswith("changed")
    browser.press(Keys.ARROW_RIGHT)
    assert browser.one("#body .top").get_attribute("aria-expanded") == "true"
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    assert browser.focused() == "mounts.changed[tmpfs] on debian-6.1: as expected, behaviour B, EPERM"
    browser.press(Keys.ENTER)
    assert "debian-6.1," in panel(browser)[""]
    browser.press(Keys.ARROW_RIGHT)
    assert "debian-6.12," in panel(browser)[""]
    browser.press(Keys.ESCAPE)
    assert browser.shown("#panel") == []
    assert browser.focused() == "mounts.changed[tmpfs] on debian-6.12: as expected, behaviour A, ok"
    browser.press(Keys.END)
    assert "debian-6.16" in browser.focused()
    browser.press(Keys.HOME, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert browser.focused().startswith("fine")
    browser.press(Keys.ARROW_UP, Keys.ARROW_UP, Keys.ARROW_UP, Keys.ARROW_LEFT)
    assert browser.one("#body .top").get_attribute("aria-expanded") == "false"
    assert len(browser.all("#body [tabindex='0']")) == 1
    browser.press("?")
    assert browser.shown("#help")
    browser.press(Keys.ESCAPE)
    assert browser.shown("#help") == []


def test_an_address_leads_back(browser: Browser) -> None:
    browser.open(SMALL)
    Select(browser.one("#area")).select_by_visible_text("mounts")
    browser.press("/", "unshare")
    browser.one("#body .case .top .name").click()
    browser.one(at(browser, ".set", "debian-6.12")).click()
    before = panel(browser)
    address = browser.script("return location.hash")
    browser.open(SMALL, address)
    assert panel(browser) == before
    assert names(browser) == ["changed"]
    assert browser.one("#search").get_attribute("value") == "unshare"
    assert "debian-6.12" in browser.focused()


@pytest.mark.parametrize("address", ["#cell=gone@debian-6.1", "#cell=mounts.changed@gone", "#%", "#cell=@",
                                     "#area=gone&design=gone&without=gone", "#cell=mounts.changed[btrfs]@debian-6.1"])
def test_an_address_that_leads_nowhere_does_no_harm(browser: Browser, address: str) -> None:
    browser.open(SMALL, address)
    assert names(browser) == ["changed", "fine", "every"]
    assert browser.heard()[0] == []


def test_a_phone_sees_all_of_it(browser: Browser) -> None:
    browser.open(own(), size=PHONE)
    assert browser.script("return document.documentElement.scrollWidth") <= PHONE[0]
    cells = browser.all("#body .top .cell")
    assert len({round(one.rect["y"]) for one in cells[:16]}) == 1
    assert all(one.rect["x"] >= 0 and one.rect["x"] + one.rect["width"] <= PHONE[0] for one in cells[:16])
    cells[0].click()
    panel(browser)
    assert browser.one("#panel").rect["width"] == PHONE[0]
    assert browser.script("return $('panel').scrollWidth <= $('panel').clientWidth")
    browser.one("#panel .close").click()
    assert browser.shown("#panel") == []


def test_on_a_desk_all_columns_fit(browser: Browser) -> None:
    browser.open(own(), size=DESKTOP)
    assert browser.script("return document.documentElement.scrollWidth") <= DESKTOP[0]
    browser.one(at(browser, ".top", "debian-7.3")).click()
    panel(browser)
    edge = browser.one("#panel").rect["x"]
    assert all(one.rect["x"] + one.rect["width"] <= edge for one in browser.all("#body .case .top .cell")[:16])


def test_paper_gets_everything_that_is_chosen(browser: Browser) -> None:
    browser.open(large(columns=12, rows=600))
    assert len(browser.all("#body .case.built")) < 60
    browser.tell("Page.printToPDF", landscape=True)
    assert len(browser.all("#body .case.built")) == 120
    browser.emulate(media="print")
    assert browser.shown("#tools") == []
    assert len(browser.shown("#body .top .title code")) == 120
    assert browser.script("return [...document.querySelectorAll('#head *, #body *')].every(one => "
                          "getComputedStyle(one).transform === 'none')")
    assert browser.one("#body .case").rect["width"] <= DESKTOP[0]


def test_twenty_thousand_cells_are_built_as_they_come_in_sight(browser: Browser) -> None:
    browser.open(large(columns=20, rows=1000, sets=1))
    assert browser.shown("#count") == ["1000 cases, 1000 rows"]
    assert 0 < len(browser.all(EVERY_CELL)) < 3000
    browser.script("scrollTo(0, document.documentElement.scrollHeight)")
    browser.wait(lambda: "case_999" in browser.texts("#body .top .title code"))
    assert len(browser.all(EVERY_CELL)) < 6000
    browser.press("/", "case_777")
    assert names(browser) == ["case_777"]


def test_all_rows_of_twenty_thousand_cells_can_be_opened(browser: Browser) -> None:
    browser.open(large(columns=20, rows=1000))
    browser.one("#expand").click()
    browser.wait(lambda: browser.all("#body .set"))
    assert len(browser.all(EVERY_CELL)) < 8000
    browser.script("scrollTo(0, document.documentElement.scrollHeight)")
    browser.wait(lambda: "case_199" in browser.texts("#body .top .title code"))


MARKUP = '</script><script>window.harmed=1</script><img src=x onerror="harmed=1"><!--<svg/onload=harmed=1>"\'&quot;\u202e'


def test_what_a_kernel_says_is_never_markup(browser: Browser) -> None:
    one = case({MARKUP: "so"}, params={"p": (MARKUP, "other")}, claim=MARKUP, cites=(MARKUP,), documented=MARKUP)
    made = dataclasses.replace(behaviour(one, f"area{MARKUP}.thing"), prose=MARKUP)
    cells = [cell({MARKUP: MARKUP}, {"p": MARKUP}, name=made.name, trace=(["main", MARKUP, MARKUP, [MARKUP], MARKUP],)),
             cell(None, {"p": "other"}, name=made.name, status="lost", reason=MARKUP)]
    matrix = build([made], [evidence(f"one{MARKUP}", f"6.12{MARKUP}", *cells, remark=MARKUP, environment={"backend": MARKUP}),
                            evidence("two", "6.11", cell({MARKUP: "so"}, {"p": MARKUP}, name=made.name))])
    browser.open(dataclasses.replace(matrix, designs={MARKUP: (made.name,)}))
    scripts = len(browser.all("script"))
    browser.one("#expand").click()
    for selector in ("#body .top > .cell", "#body .set > .cell", "#head button", "#body .row:last-child .cell"):
        browser.one(selector).click()
        panel(browser)
        assert "<img src=x" in "".join(browser.texts("#panel"))
    browser.open(dataclasses.replace(matrix, designs={MARKUP: (made.name,)}), browser.script("return location.hash"))
    assert browser.script("return window.harmed") is None
    assert len(browser.all("script")) == scripts == 3
    assert browser.all("img, svg") == []
    assert browser.heard()[0] == []
    assert "\u202e" not in "".join(browser.texts("body"))
    # But for the command, in which no word may be broken.
    mails = [text.partition("Run it again:\n")[0] for text in citations(browser).values()]
    assert [text for text in mails if not re.fullmatch(r"(?:[ -~]{0,72}\n)+", text)] == []


def test_the_page_runs_no_script_but_its_own(browser: Browser) -> None:
    """Should markup get in after all: the policy of the page refuses it."""
    browser.open(SMALL)
    browser.script("""const one = document.createElement('script');
                   one.textContent = 'window.harmed = 1';
                   document.body.append(one);
                   document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.harmed = 1">');""")
    assert browser.script("return window.harmed") is None
    assert sum("Content Security Policy" in line for line in browser.heard()[0]) >= 2


@pytest.mark.parametrize("matrix", [build([], []), build([], [evidence("one", "6.12")]),
                                    build([behaviour(case())], [])], ids=["nothing", "no case", "no column"])
def test_a_page_of_little_is_a_page(browser: Browser, matrix: Matrix) -> None:
    browser.open(matrix)
    assert browser.heard()[0] == []
    assert browser.shown("h1")
