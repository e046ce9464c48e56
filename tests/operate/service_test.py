# SPDX-License-Identifier: Apache-2.0
"""What a service manager hears of a host: sd_notify and the watchdog."""

import os
import pathlib
import signal
import socket
import time
import unittest

from harness import FIXTURE
from service_case import MODULES, STUCK_MODULES, ServiceCase

WATCHDOG_US = 400_000


class Notify(ServiceCase):
    def test_ready_is_told_when_the_host_serves_and_stopping_when_it_ends(self):
        self.manage()
        process = self.host(modules=MODULES)
        ready = self.manager.wait("READY")
        self.assertEqual(ready, {"READY": "1", "STATUS": f"serving on {self.socket}"})
        before = self.manager.seen[:-1]
        self.assertEqual([each["STATUS"] for each in before], ["loading the module echo", "loading the module timer"])
        self.bp("ls")
        self.assertEqual(self.manager.rest(), [], "without a watchdog, there are no signs of life")
        process.signal(signal.SIGTERM)
        self.assertEqual(self.manager.wait("STOPPING"), {"STOPPING": "1", "STATUS": "stopping: SIGTERM"})
        self.assertEqual(process.end()[0], 0)
        self.assertEqual(self.manager.rest(), [])

    def test_a_load_that_takes_long_asks_for_time_and_ready_waits_for_it(self):
        self.manage()
        self.stick("init")
        process = self.spawn("run", "--no-trial", "--data-dir", self.path("data"), "--module", STUCK_MODULES[0],
                             "--config", self.write("host.toml", "load_timeout_ms = 60000\n"))
        loading = self.manager.wait("EXTEND_TIMEOUT_USEC")
        # Constructors, init and instances may take that long each.
        self.assertGreaterEqual(int(loading["EXTEND_TIMEOUT_USEC"]), 3 * 60_000_000)
        self.reached("init")
        self.assertEqual(self.manager.rest(), [])
        self.release("init")
        self.manager.wait("READY")
        self.bp("stop")
        self.assertEqual(self.manager.wait("STOPPING")["STATUS"], "stopping: a peer has asked for it")
        self.assert_ends(process, 0)

    def test_a_start_that_fails_says_why(self):
        self.manage()
        self.refused(2, "run", "--module", FIXTURE, "--config", self.write("host.toml", "work = 1\n"))
        self.assertIn('unknown key "work"', self.manager.wait("STATUS")["STATUS"])
        self.refused(5, "run", "--data-dir", self.path("data"), "--module", "/dev/null")
        self.assertIn("/dev/null", self.manager.wait("STATUS")["STATUS"])
        self.assertFalse([each for each in self.manager.seen if "READY" in each])

    def test_reading_the_configuration_again_is_told_with_its_end(self):
        self.manage()
        file = self.write("host.toml", 'log_level = "info"\n')
        process = self.host("--config", file, modules=MODULES)
        self.manager.wait("READY")
        self.bp("reconfigure", "--dry-run")
        self.assertEqual(self.manager.rest(), [], "nothing changes in a dry run")
        for text, ask in (('log_level = "debug"\n', lambda: self.bp("reconfigure")),
                          ('log_level = "warn"\n', lambda: process.signal(signal.SIGHUP)),
                          ("work = 1\n", lambda: self.refused(2, "reconfigure"))):
            self.write("host.toml", text)
            ask()
            reloading = self.manager.wait("RELOADING")
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self.assertLess(now - int(reloading["MONOTONIC_USEC"]), 60_000_000)
            self.assertLessEqual(int(reloading["MONOTONIC_USEC"]), now)
            self.assertEqual(self.manager.wait("READY")["STATUS"], f"serving on {self.socket}")
        self.assertEqual(self.bp("log")[0].split(), ["all", "warn"])

    def test_an_abstract_address_is_understood(self):
        self.manage("@" + self.path("abstract"))
        self.host(modules=MODULES)
        self.manager.wait("READY")

    def test_a_host_serves_although_its_manager_is_wrong_or_gone(self):
        for address, said in (("relative", 'found "relative", expected an absolute path'),
                              ("/" + 200 * "x", "expected an absolute path"),
                              (self.path("nobody"), "is not told: No such file or directory")):
            with self.subTest(address=address):
                self.environment["NOTIFY_SOCKET"] = address
                process = self.host(modules=MODULES)
                self.bp("ls")
                self.bp("stop")
                code, _, err = process.end()
                self.assertEqual(code, 0)
                self.assertEqual(err.count(said), 1, err)

    def test_a_manager_that_reads_nothing_is_named_in_the_log(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            manager.bind(self.path("full"))
            other.setblocking(False)
            with self.assertRaises(BlockingIOError):
                while True:
                    other.sendto(b"x", self.path("full"))
            self.environment["NOTIFY_SOCKET"] = self.path("full")
            process = self.host(modules=MODULES[:1])  # each message waits 5 s for room
            self.bp("ls")
            self.bp("stop")
            code, _, err = process.end()
        self.assertEqual(code, 0)
        self.assertEqual(err.count("is not told: Resource temporarily unavailable"), 1, err)

    def test_programs_of_modules_do_not_inherit_the_manager(self):
        self.manage(WATCHDOG_USEC=WATCHDOG_US)
        self.host(modules=(os.environ["BACKPLANE_CHILDREN"],))
        found = self.bp("call", "children.run", "env", "--raw")[0]
        self.assertIn("HOME=", found)
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            self.assertNotIn(name, found)


class Watchdog(ServiceCase):
    def switches(self, pid):
        found = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            status = pathlib.Path(f"/proc/{pid}/task/{task}/status").read_text()
            found += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("voluntary"))
        return found

    def test_signs_of_life_come_twice_in_its_time(self):
        self.manage(WATCHDOG_USEC=WATCHDOG_US, WATCHDOG_PID="")
        self.host(modules=MODULES)
        self.manager.wait("READY")
        self.manager.wait("WATCHDOG")
        begin = time.monotonic()
        for _ in range(4):
            self.assertEqual(self.manager.wait("WATCHDOG"), {"WATCHDOG": "1"})
        self.assertGreater(time.monotonic() - begin, 3 * WATCHDOG_US / 2e6)

    def test_a_stuck_handler_does_not_stop_them(self):
        self.manage(WATCHDOG_USEC=WATCHDOG_US)
        self.stick("handler")
        self.start(modules=STUCK_MODULES)
        self.manager.wait("READY")
        call = self.spawn("call", "stuck.hold", "1")
        self.reached("handler")
        self.manager.rest()
        for _ in range(6):
            self.manager.wait("WATCHDOG")
        self.assertIsNone(call.popen.poll(), "the handler was stuck all the time")
        self.release("handler")
        self.assert_ends(call, 0)

    def test_they_go_on_while_the_host_drains(self):
        self.manage(WATCHDOG_USEC=WATCHDOG_US)
        process = self.host(modules=MODULES)
        self.manager.wait("READY")
        call = self.spawn("call", "timer.echo", '{"message": "x", "delay_ms": 2000}')
        self.eventually("it is open", lambda: self.bp_json("status")["server"]["calls"] == 1)
        process.signal(signal.SIGTERM)
        self.manager.wait("STOPPING")
        for _ in range(3):
            self.manager.wait("WATCHDOG")
        self.assert_ends(call, 0)
        self.assert_ends(process, 0)

    def test_a_watchdog_for_another_process_or_a_wrong_one_hears_nothing(self):
        for variables, said in (({"WATCHDOG_USEC": WATCHDOG_US, "WATCHDOG_PID": 1}, ""),
                                ({"WATCHDOG_USEC": "soon"}, '$WATCHDOG_USEC: found "soon"'),
                                ({"WATCHDOG_USEC": "0"}, '$WATCHDOG_USEC: found "0"')):
            with self.subTest(variables=variables):
                self.environment.pop("WATCHDOG_PID", None)
                self.manage(self.path(f"notify{len(variables)}{variables['WATCHDOG_USEC']}"), **variables)
                process = self.host(modules=MODULES)
                self.manager.wait("READY")
                time.sleep(3 * WATCHDOG_US / 1e6)  # it is the absence of signs that counts
                self.assertEqual(self.manager.rest(), [])
                self.bp("stop")
                self.assertIn(said, process.end()[2])

    def test_without_a_manager_an_idle_host_does_not_wake(self):
        self.environment["WATCHDOG_USEC"] = "20000"
        process = self.host(modules=MODULES)
        time.sleep(0.5)  # the end of the start
        before = self.switches(process.pid)
        time.sleep(1.5)  # it is the absence of wake-ups that counts
        self.assertLess(self.switches(process.pid) - before, 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
