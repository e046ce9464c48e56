# SPDX-License-Identifier: Apache-2.0
"""Module operations that hang hold nobody up: reports, other operations and the stop answer, and say what hangs."""

import json
import os
import pathlib
import signal
import subprocess
import time
import unittest

from harness import EXE, FIXTURE, LIMIT
from soon import SLOW, SOON, SoonCase

STUCK = os.environ["BACKPLANE_STUCK"]


class OperationCase(SoonCase):
    def setUp(self):
        super().setUp()
        self.places = pathlib.Path(self.path("places"))
        self.places.mkdir()
        self.environment["STUCK_DIR"] = str(self.places)
        self.addCleanup(self.release_all)

    def stick(self, place):
        (self.places / place).touch()

    def release(self, place):
        (self.places / place).unlink()

    def release_all(self):
        for path in self.places.glob("*"):
            path.unlink(missing_ok=True)

    def reached(self, place):
        path = self.places / f"{place}.reached"
        self.eventually(f"nobody is in {place}", path.exists)

    def start(self, load_timeout_ms=None, modules=(), trial=True):
        arguments = [] if trial else ["--no-trial"]
        if load_timeout_ms:
            arguments += ["--config", self.write("host.toml", f"load_timeout_ms = {load_timeout_ms}\n")]
        self.process = self.host(*arguments, modules=modules)
        return self.process

    def bp_json_of(self, code, *arguments):
        return json.loads(self.bp(*arguments, "--json", code=code)[0])

    def looks(self):
        """What an operator looks at, at any time."""
        self.soon("ls")
        begin = time.monotonic()
        done = subprocess.run([EXE, "status"], env=self.environment, cwd=self.dir, capture_output=True, text=True,
                              timeout=LIMIT, check=False)
        self.assertIn(done.returncode, (0, 6), done.stderr)
        self.assertRegex(done.stdout, r"\A(NOT RESPONDING: .*\n)+\nversion " if done.returncode else r"\Aversion ")
        self.assertEqual(done.returncode == 6, "NOT RESPONDING" in done.stdout, done.stdout)
        if not SLOW:
            self.assertLess(time.monotonic() - begin, SOON)
        return done.stdout

    def going_on(self):
        done = subprocess.run([EXE, "status", "--json"], env=self.environment, cwd=self.dir, capture_output=True,
                              timeout=LIMIT, check=False)
        return [each for each in json.loads(done.stdout)["operations"] if each["state"] != "ended"]

    def states(self):
        return [(each["kind"], each["state"]) for each in self.going_on()]

    def stops_soon(self, code=0):
        begin = time.monotonic()
        self.process.signal(signal.SIGTERM)
        out, err = self.assert_ends(self.process, code)
        if not SLOW:
            self.assertLess(time.monotonic() - begin, 9)
        return err


class Draining(OperationCase):
    """An unload that waits for a handler."""

    def hang(self):
        self.stick("handler")
        self.start(modules=[STUCK])
        self.call = self.spawn("call", "stuck.hold", "1")
        self.reached("handler")

    def test_a_pending_unload_holds_nobody_up(self):
        self.hang()
        unload = self.spawn("unload", "stuck", "--timeout", "3600000")
        self.eventually("it does not drain", lambda: self.states() == [("unload", "draining")])
        self.assertRegex(self.looks(), r"(?m)^OPERATION +WHAT +STATE +SINCE +ASKED BY\n"
                                       rf"2 +unload stuck +draining .* process {unload.pid} \(user {os.getuid()}, \w+\)$")
        self.release("handler")
        self.assert_ends(self.call, 0)
        out, _ = self.assert_ends(unload, 0)
        self.assertRegex(out, r"^unloaded stuck, generation 1: gone\n$")

    def test_it_goes_on_when_its_command_is_killed(self):
        self.hang()
        unload = self.spawn("unload", "stuck", "--timeout", "3600000")
        self.eventually("it does not drain", lambda: self.states() == [("unload", "draining")])
        unload.stop()
        self.assertEqual(self.states(), [("unload", "draining")])
        self.release("handler")
        self.assert_ends(self.call, 0)
        self.eventually("it goes on", lambda: self.states() == [])
        self.assertEqual(self.bp_json("ls")["modules"], [])

    def test_ctrl_c_gives_the_names_back(self):
        self.hang()
        unload = self.spawn("unload", "stuck", "--timeout", "3600000")
        self.eventually("it does not drain", lambda: self.states() == [("unload", "draining")])
        unload.signal(signal.SIGINT)
        _, err = self.assert_ends(unload, 130)
        self.assertIn("is being undone: the module gets its names back", err)
        self.assertIn(f"canceled: operation 2 (unload of stuck) was canceled by process {unload.pid} (user {os.getuid()}, "
                      "backplane); the names of the module \"stuck\" answer again", err)
        self.release("handler")
        self.assert_ends(self.call, 0)
        self.assertEqual(self.bp("call", "stuck.echo", "5")[0], "5\n")
        self.assertEqual(self.bp("unload", "stuck")[0], "unloaded stuck, generation 1: gone\n")

    def test_cancel_gives_the_names_back(self):
        self.hang()
        unload = self.spawn("unload", "stuck", "--timeout", "3600000")
        self.eventually("it does not drain", lambda: self.states() == [("unload", "draining")])
        cancel = self.spawn("cancel", "2")
        out, _ = self.assert_ends(cancel, 0)
        said = (f"operation 2 (unload of stuck) was canceled by process {cancel.pid} (user {os.getuid()}, backplane); "
                "the names of the module \"stuck\" answer again\n")
        self.assertEqual(out, f"undone: {said}")
        self.assertIn(f"canceled: {said}", self.assert_ends(unload, 130)[1])
        self.process.wait_err(f"unload of stuck for process {unload.pid} (user {os.getuid()}, backplane): "
                              f"canceled: {said.strip()}")
        self.release("handler")
        self.assert_ends(self.call, 0)
        self.assertEqual(self.bp("call", "stuck.echo", "5")[0], "5\n")
        self.assertIn("has ended", self.refused(1, "cancel", "2"))
        self.assertIn("there is no operation 7", self.refused(1, "cancel", "7"))

    def test_a_reload_that_runs_is_committed(self):
        self.start(modules=[FIXTURE])
        call = self.spawn("call", "cli_fixture.wait", "60000")
        self.eventually("it does not run", lambda: self.context()["running"] == 1)
        reload = self.spawn("reload", "cli_fixture", "--timeout", "3600000")
        self.eventually("it does not drain", lambda: self.states() == [("reload", "draining")])
        reload.signal(signal.SIGINT)
        out, err = self.assert_ends(reload, 0)
        self.assertIn("is committed: the new generation runs", err)
        self.assertIn("reloaded cli_fixture", out)
        call.stop()

    def test_the_timeout_of_unload_bounds_it(self):
        self.hang()
        begin = time.monotonic()
        out, err = self.bp("unload", "stuck", "--timeout", "300", code=1)
        self.assertIn("its object stays mapped because of\n  1 instance", out)
        self.assertLess(time.monotonic() - begin, LIMIT if SLOW else SOON)
        self.assertEqual(self.states(), [("unload", "draining")])
        self.assertRegex(err, r"hint: operation 2 goes on, and waits for stuck\.hold \(1 call\); the oldest call is stuck\.hold, "
                              rf"of process {self.call.pid} \(user {os.getuid()}, backplane\), running, for .* s\. It unloads "
                              r"the module when they have ended: wait \(backplane status shows it\), or take the unload "
                              r"back with: backplane cancel 2\n")

    def test_a_handler_that_hangs_is_named(self):
        self.hang()
        self.eventually("nobody is named", lambda: "NOT RESPONDING" in self.looks())
        out, _ = self.soon("ping", code=6)
        self.assertRegex(out, r"NOT RESPONDING: the request thread of context 1, in the handler of stuck "
                              r"\(generation 1\), for stuck.hold, for ")
        self.assertEqual(self.bp_json_of(6, "ping")["state"], "not responding")
        self.release("handler")
        self.assert_ends(self.call, 0)
        self.eventually("it does not recover", lambda: "NOT RESPONDING" not in self.looks())

    def test_the_stop_keeps_its_bound(self):
        self.hang()
        unload = self.spawn("unload", "stuck", "--timeout", "3600000")
        self.eventually("it does not drain", lambda: self.states() == [("unload", "draining")])
        err = self.stops_soon(1)
        self.assertIn("the host ends by force; left behind: calls of stuck.hold (1)", err)
        unload.end()

    def test_a_load_of_another_module_goes_on(self):
        self.hang()
        self.spawn("unload", "stuck", "--timeout", "3600000")
        self.eventually("it does not drain", lambda: self.states() == [("unload", "draining")])
        chatter = os.environ["BACKPLANE_CHATTER"]
        # The request thread hangs in a handler, so its instance cannot be made: only that load pays.
        load = self.spawn("load", chatter)
        self.eventually("it does not wait", lambda: ("load", "running") in self.states())
        self.looks()
        self.release("handler")
        self.assert_ends(load, 0)


class Stuck(OperationCase):
    """Code of a module that does not return to the loader."""

    def test_an_init_that_hangs(self):
        self.stick("init")
        self.start(500)
        load = self.spawn("load", STUCK)
        self.reached("init")
        self.looks()
        code, _, err = load.end()
        self.assertEqual(code, 5)
        self.assertIn("the init of stuck (generation 1) did not return in time (load_timeout_ms)", err)
        self.assertRegex(self.looks(), "NOT RESPONDING: the init of stuck .generation 1. did not return in time, for ")
        out, _ = self.soon("ping", code=6)
        self.assertRegex(out, r"^not responding \(pid \d+\)\nNOT RESPONDING: the init of stuck")
        # Other operations go on, on another thread.
        self.soon("load", os.environ["BACKPLANE_CHATTER"])
        self.soon("unload", "chatter")
        self.assertIn("stuck (generation 1) is being loaded", self.refused(5, "load", STUCK))
        # If it returns, its load is undone.
        self.release("init")
        self.eventually("it is not undone", lambda: self.bp_json("ls")["modules"] == [])
        self.assertNotIn("NOT RESPONDING", self.looks())
        self.assertRegex(self.soon("ping")[0], r"^responding \(pid \d+\)\n$")
        self.assertIn("loaded stuck", self.soon("load", STUCK)[0])
        self.stops_soon()

    def test_the_stop_does_not_wait_for_an_init(self):
        self.stick("init")
        self.start(500)
        self.spawn("load", STUCK)
        self.reached("init")
        err = self.stops_soon(1)
        self.assertRegex(err, r"left behind: code of a module has not returned: the init of stuck \(generation 1\)")

    def test_a_constructor_that_hangs_locks_the_dynamic_loader(self):
        for place in ("constructor", "destructor"):
            with self.subTest(place):
                self.release_all()
                self.start(500, trial=False)  # which would refuse the constructor
                if place == "destructor":
                    self.bp("load", STUCK)
                    self.stick(place)
                    command = self.spawn("unload", "stuck")
                else:
                    self.stick(place)
                    command = self.spawn("load", STUCK)
                self.reached(place)
                self.looks()
                code, _, err = command.end()
                self.assertEqual(code, 5 if place == "constructor" else 1, err)
                for arguments in (("load", STUCK), ("unload", "stuck"), ("reload", "stuck")):
                    said = self.soon(*arguments, code=1)[1]
                    self.assertIn(f"the {place}s of stuck (generation 1) have not returned", said)
                self.assertIn("keeps the dynamic loader locked", self.looks())
                self.assertIn(f"left behind: code of a module has not returned: the {place}s", self.stops_soon(1))

    def test_a_constructor_that_hangs_is_refused_by_the_trial_load_and_holds_nobody_up(self):
        self.start(300)
        self.stick("constructor")
        load = self.spawn("load", STUCK)
        self.reached("constructor")
        self.assertNotIn("NOT RESPONDING", self.looks())
        code, _, err = load.end()
        self.assertEqual(code, 5)
        self.assertIn("one of its constructors, did not return within 5 s", err)
        self.release("constructor")
        self.soon("load", STUCK)
        self.assertNotIn("NOT RESPONDING", self.looks())
        self.stops_soon()

    def test_a_deinit_that_hangs(self):
        self.start(500, modules=[STUCK])
        self.stick("deinit")
        out, _ = self.bp("unload", "stuck", "--timeout", "300", code=1)
        self.assertIn("its deinit or its destructors have not returned", out)
        self.looks()
        self.soon("load", os.environ["BACKPLANE_CHATTER"])
        self.release("deinit")
        self.eventually("it does not end", lambda: self.states() == [])
        self.soon("load", STUCK)
        self.stops_soon()

    def test_a_destructor_that_hangs_at_the_end_of_the_process(self):
        self.start(modules=[STUCK])
        self.stick("destructor")
        err = self.stops_soon(1)
        self.assertIn("left behind: a destructor of a module, or another exit handler", err)

    def test_ctrl_c_undoes_a_load(self):
        self.stick("init")
        self.start()
        load = self.spawn("load", STUCK)
        self.reached("init")
        load.signal(signal.SIGINT)
        load.wait_err("is being undone")
        self.release("init")
        _, err = self.assert_ends(load, 130)
        self.assertIn(f"canceled: operation 1 (load of {STUCK}) was canceled by process {load.pid} (user {os.getuid()}, "
                      "backplane); nothing has changed: the module is not loaded", err)
        self.assertEqual(self.bp_json("ls")["modules"], [])

    def test_a_load_that_waits_is_canceled_before_its_turn(self):
        self.stick("init")
        self.start()
        first = self.spawn("load", STUCK)
        self.reached("init")
        second = self.spawn("load", os.environ["BACKPLANE_CHATTER"])
        self.eventually("it does not wait", lambda: ("load", "waiting") in self.states())
        second.signal(signal.SIGINT)
        _, err = self.assert_ends(second, 130)
        self.assertIn("was canceled before its turn; nothing has changed", err)
        self.assertRegex(err, rf"canceled: operation 2 \(load of .*\) was canceled by process {second.pid} \(")
        self.release("init")
        self.assert_ends(first, 0)

    def test_the_timeout_of_load_bounds_it(self):
        self.stick("init")
        self.start()
        err = self.refused(4, "load", STUCK, "--timeout", "200")
        self.assertRegex(err, r"operation 1 \(load of .*\) is still running, in the init of stuck \(generation 1\)")
        self.release("init")
        self.eventually("it goes on", lambda: [m["state"] for m in self.bp_json("ls")["modules"]] == ["running"])

    def test_a_start_that_hangs_ends_by_force(self):
        self.stick("init")
        process = self.spawn("run", "--data-dir", self.path("data"), "--module", STUCK, "--config",
                             self.write("host.toml", "load_timeout_ms = 300\n"))
        _, err = self.assert_ends(process, 5)
        self.assertIn("the init of stuck (generation 1) did not return in time", err)
        self.assertIn("the host ends by force", err)

    def test_second_contexts_do_not_wait_for_an_init(self):
        # A client that connects needs no module operation, and a call is answered meanwhile.
        self.stick("init")
        self.start(modules=[os.environ["BACKPLANE_CHATTER"]])
        self.spawn("load", STUCK)
        self.reached("init")
        self.soon("call", "chatter.say", "x", "--raw")
        self.release("init")


if __name__ == "__main__":
    unittest.main()
