from __future__ import annotations

import hashlib
import json
import shutil
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import create_trial

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.reports import dashboard as module
from mnas_moo.reports.dashboard import dashboard, serve
from mnas_moo.running.identity import IDENTITY
from mnas_moo.running.run import run_study
from mnas_moo.running.storage import storage_file
from mnas_moo.running.trials import NETWORK
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.study import StudyFile
from tests.chromium import browser as browser
from tests.chromium import opened
from tests.conftest import STUDY
from tests.running.postgres import Server

TABULAR = """\
name: past
storage: {storage}
table: {{file: past.csv, parameters: [width], objectives: {{accuracy: maximize, latency_ms: minimize}}}}
sampler: {{random: {{seed: 0}}}}
trials: 2
"""

Finished = tuple[StudyFile, optuna.Study]


def get(url: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(url) as reply:
        return reply.headers["Content-Type"], reply.read()


def detail(address: str) -> dict[str, Any]:
    """What the dashboard's page asks its server about the study."""
    return dict(json.loads(get(address.replace("/dashboard/", "/api/"))[1]))


def artifact(address: str, trial: dict[str, Any], filename: str) -> tuple[str, bytes]:
    (meta,) = (meta for meta in trial["artifacts"] if meta["filename"] == filename)
    base, study_id = address.split("/dashboard/studies/")
    return get(f"{base}/artifacts/{study_id}/{trial['trial_id']}/{meta['artifact_id']}")


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def address(finished_study: Finished) -> Iterator[str]:
    with dashboard(finished_study[0], port=0) as address:
        yield address


@pytest.fixture
def own(finished_study: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:
    """A copy of the finished study that may be written to."""
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.1)
    shutil.copy(str(storage_file(finished_study[0])), tmp_path / "small.db")
    path = tmp_path / "small.yaml"
    path.write_text(STUDY.format(folder=tmp_path, limit=0.015), encoding="utf-8")
    study_file = load_study_file(path)
    return study_file, optuna.load_study(study_name="small", storage=study_file.storage)


def test_the_study_has_a_note_and_both_plots(address: str) -> None:
    shown = detail(address)
    assert shown["note"]["body"].startswith("## small\n")
    figures = {graph["id"]: json.loads(graph["graph_object"]) for graph in shown["plotly_graph_objects"]}
    assert set(figures) == {"pareto-front", "hypervolume"}
    assert figures["pareto-front"]["layout"]["title"]["text"].startswith("Pareto front: ")


def test_every_trial_has_its_network_as_picture_and_text(address: str, finished_study: Finished) -> None:
    trials = detail(address)["trials"]
    assert len(trials) == 12
    for trial, stored in zip(trials, finished_study[1].trials, strict=True):
        assert artifact(address, trial, "network.txt") == ("text/plain", stored.user_attrs[NETWORK].encode() + b"\n")
    kind, picture = artifact(address, trials[3], "network.svg")
    assert kind == "image/svg+xml"
    assert picture.lstrip().startswith((b"<svg", b"<?xml"))


def test_infeasible_trials_are_marked_in_the_dashboard_too(address: str, finished_study: Finished) -> None:
    shown = [trial["constraints"] for trial in detail(address)["trials"]]
    assert shown == [list(trial.constraints.values()) for trial in finished_study[1].trials]
    assert any(values[0] > 0 for values in shown)


def test_showing_a_study_writes_nothing_to_its_storage(own: Finished) -> None:
    file = storage_file(own[0])
    assert file is not None
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    with dashboard(own[0], port=0) as address:
        artifact(address, detail(address)["trials"][0], "network.svg")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    assert not own[0].files.exists()


def test_the_front_grows_while_the_dashboard_runs(own: Finished) -> None:
    with dashboard(own[0], port=0) as address:
        own[1].add_trial(create_trial(values=[0.999, 0.001]))

        def titles() -> str:
            return " ".join(graph["graph_object"] for graph in detail(address)["plotly_graph_objects"])

        eventually(lambda: "Pareto front: 1 of 13 finished trials" in titles())
        assert len(detail(address)["plotly_graph_objects"]) == 2


def test_what_the_user_writes_is_stored_and_shown(own: Finished) -> None:
    with dashboard(own[0], port=0) as address:
        version = detail(address)["note"]["version"] + 1
        body = json.dumps({"body": "Mine.", "version": version}).encode()
        url = address.replace("/dashboard/", "/api/") + "/note"
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT")) as reply:
            assert reply.status == 204
        assert detail(address)["note"] == {"body": "Mine.", "version": version}
    with dashboard(own[0], port=0) as address:
        assert detail(address)["note"]["body"] == "Mine."


def test_an_artifact_of_the_user_lies_beside_the_storage(own: Finished) -> None:
    with dashboard(own[0], port=0) as address:
        trial = detail(address)["trials"][0]
        base, study_id = address.split("/dashboard/studies/")
        body = json.dumps({"file": "data:text/plain;base64,aGVsbG8=", "filename": "hello.txt"}).encode()
        url = f"{base}/api/artifacts/{study_id}"
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(url, body, headers, method="POST")).close()
        (meta,) = detail(address)["artifacts"]
        assert get(f"{base}/artifacts/{study_id}/{meta['artifact_id']}")[1] == b"hello"
        assert len(trial["artifacts"]) == 2
    assert [file.read_bytes() for file in (own[0].files / "artifacts").iterdir()] == [b"hello"]


def test_studies_of_others_are_left_as_they_are(own: Finished) -> None:
    other = optuna.create_study(storage=own[0].storage, study_name="other")
    other.add_trial(create_trial(value=1.0))
    with dashboard(own[0], port=0) as address:
        time.sleep(0.5)
        shown = detail(f"{address.rpartition('/')[0]}/{other._study_id}")
    assert shown["note"]["body"] == ""
    assert shown["plotly_graph_objects"] == []
    assert shown["trials"][0]["artifacts"] == []


def test_a_server_that_is_gone_is_said_in_one_line_and_found_again(
    tmp_path: Path, server: Server, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("past.csv").write_text("width,accuracy,latency_ms\n1,0.5,1\n2,0.75,4\n3,0.8,9\n", encoding="utf-8")
    Path("past.yaml").write_text(TABULAR.format(storage=server.create()), encoding="utf-8")
    run_study("past.yaml")
    with dashboard("past.yaml", port=0) as address:
        assert len(detail(address)["trials"]) == 2
        server.stop()
        try:
            with pytest.raises(urllib.error.HTTPError) as refused:
                detail(address)
            time.sleep(2 * module.REFRESH_SECONDS)
        finally:
            server.start()
        assert refused.value.code == 503
        reason = json.loads(refused.value.read())["reason"]
        assert reason.startswith("postgresql")
        assert len(reason.splitlines()) == 1
        assert len(detail(address)["trials"]) == 2
    written = capfd.readouterr().err
    assert "Traceback" not in written
    assert all(line.startswith("the dashboard's plots") for line in written.splitlines())


def test_a_port_in_use_is_named_in_one_line(finished_study: Finished) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"^port {port} of 127.0.0.1 is in use; choose another one") as caught:
            serve(finished_study[0], port=port)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70000), ("192.0.2.1", 0)])
def test_an_address_that_is_none_is_named_in_one_line(finished_study: Finished, host: str, port: int) -> None:
    with pytest.raises(ValueError, match=rf"^cannot listen on {host}, port {port}: .+$"):
        serve(finished_study[0], host=host, port=port)


def test_a_missing_dashboard_names_the_extra(finished_study: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    with pytest.raises(MissingExtraError, match=r"mnas-moo\[dashboard\]"):
        serve(finished_study[0], port=0)


def test_a_study_that_was_never_run_is_named(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    path.write_text(STUDY.format(folder=tmp_path, limit=1), encoding="utf-8")
    with pytest.raises(StudyError, match=r"storage is .*small\.db, which is not there"):
        serve(path, port=0)
    assert not (tmp_path / "small.db").exists()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with opened(browser, address) as page:
        yield page


def test_a_browser_draws_the_front_and_the_hypervolume(page: Any, address: str, finished_study: Finished) -> None:
    page.goto(address)
    front = "[id='user-defined-plot:pareto-front']"
    page.wait_for_selector(f"{front} .scatterlayer path.point", state="attached")
    drawn = page.eval_on_selector_all(f"{front} .scatterlayer path.point", "paths => paths.length")
    assert drawn >= len(finished_study[1].best_trials)
    assert page.locator(f"{front} .legendtext", has_text="Pareto front").count() == 1
    assert page.locator(f"{front} .xtitle").text_content() == "latency (ms)"
    assert page.locator(f"{front} .scatterlayer path.js-line").count() == 1
    page.wait_for_selector("[id='user-defined-plot:hypervolume'] .scatterlayer path.js-line", state="attached")
    box = page.locator(front).bounding_box()
    assert box["width"] > 300
    assert box["height"] > 300


def test_a_browser_shows_the_note(page: Any, address: str) -> None:
    page.goto(f"{address}/note")
    page.get_by_text("What is traded off").wait_for()
    assert page.get_by_text("latency (ms), minimized").is_visible()


def test_a_browser_shows_the_picture_of_a_trial(page: Any, address: str) -> None:
    page.goto(f"{address}/trials?numbers=4")
    for picture in ("img[alt='network.svg']", "img[alt^='Picture of the network of trial 4']"):
        page.wait_for_function(f'() => document.querySelector("{picture}")?.naturalWidth > 0')
    assert page.get_by_text("network.txt").is_visible()


def test_a_browser_shows_names_of_somebody_elses_as_they_are(browser: Any, own: Finished) -> None:
    """Neither the note nor the plots have markup, images, links or scripts of a name's."""
    study_file, study = own
    marks = "<b>b</b> <img src=x onerror=a(1)> [l](//evil.invalid) ![i](//evil.invalid/i) $\\frac{$ www.evil.invalid"
    study.set_metric_names([f"1 {marks}", f"2 {marks}"])
    identity = study._storage.get_study_system_attrs(study._study_id)[IDENTITY]
    identity["space"] = {"name": f"` {marks}", "settings": {f"3 {marks}": f"4 {marks}"}}
    identity["constraints"] = {f"5 {marks}": {"max": 1}}
    study._storage.set_study_system_attr(study._study_id, IDENTITY, identity)
    study.add_trial(create_trial(values=[0.999, 1e-9], user_attrs={NETWORK: f"6 {marks}"}))
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(30_000)
    asked, dialogs = list[str](), list[str]()
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    with dashboard(study_file, port=0) as address:
        page.goto(f"{address}/note")
        page.get_by_text("What is traded off").wait_for()
        for number in (1, 2, 5):
            assert page.locator("li", has_text=f"{number} {marks}").count() >= 1
        for number in (3, 4):
            assert page.locator("code", has_text=f"{number} {marks}").count() == 1
        found = page.locator("img[src=x], a[href*=evil], img[src*=evil], mjx-container")
        assert found.count() == 0
        page.goto(address)
        label = page.locator("[id='user-defined-plot:pareto-front'] .xtitle")
        label.wait_for(state="attached")
        assert label.text_content() == f"2 {marks}"
        assert found.count() == 0
        page.goto(f"{address}/trials?numbers=12")
        page.locator("code", has_text=f"6 {marks}").wait_for()
        assert page.locator("li", has_text=f"1 {marks}").count() == 1
        assert found.count() == 0
    page.close()
    assert dialogs == []
    assert [url for url in asked if "evil" in url or url.endswith("/x")] == []
