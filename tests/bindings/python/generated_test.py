#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls of all bundled modules through generated code, embedded and connected; all forms of types."""
import asyncio
import dataclasses
import math
import pathlib
import shutil
import tempfile
import unittest

import backplane
from backplane import codecs
from backplane.generated import Call
from support import BUNDLED, SECONDS, Host, folder, generate, main, module, until

WORK = pathlib.Path(tempfile.mkdtemp(prefix="bp-py-"))
unittest.addModuleCleanup(shutil.rmtree, WORK, ignore_errors=True)
generate(WORK, *BUNDLED, "forms")

import echo  # noqa: E402
import forms  # noqa: E402
import generator  # noqa: E402
import kv  # noqa: E402
import session  # noqa: E402
import timer  # noqa: E402

POINT = forms.Point(1.0, -2.5)


def scalars(**changed):
    members = {
        "flag": True, "i8": -128, "u8": 255, "i16": -32768, "u16": 65535, "i32": -(2**31), "u32": 2**32 - 1,
        "i64": -(2**63), "u64": 2**64 - 1, "f32": 0.5, "f64": math.pi, "text": "ü\0", "bytes_": b"\xff",
        "id": bytes(16), "wait": 5, "path": "/", "any": {"x": [None]}, "nothing": None, "class_": 1,
    }  # fmt: skip
    return forms.Scalars(**{**members, **changed})


def tree(name, *children, **more):
    return forms.Tree(name, list(children), named=more.pop("named", {}), **more)


class Lane:
    context: backplane.Context

    def test_echo(self):
        client = echo.Echo(self.context)
        self.assertEqual(client.shout(echo.Shout("grüße"), timeout=SECONDS), echo.Shouted("GRüßE", ""))
        self.assertEqual(client.version(), echo.Version("1.0.0"))
        self.assertEqual(client.raw(b"\0\xff"), b"\0\xff")
        self.assertEqual(asyncio.run(client.shout_async(echo.Shout("a"))).shouted, "A")
        self.assertEqual(asyncio.run(client.raw_async(b"")), b"")

    def test_timer(self):
        client = timer.Timer(self.context)
        with client.echo_fired_events() as fired:
            self.assertEqual(client.echo(timer.Message("a", 1)).echoed, "a")
            self.assertEqual(fired.get(SECONDS).payload.message, "a")
        ticks = client.ticks(timer.Ticks(2, 1))
        self.assertEqual(list(ticks), [timer.Tick(1, 2), timer.Tick(2, 2)])
        self.assertEqual(ticks.reply().ticks, 2)
        with self.assertRaises(timer.InvalidArgumentError) as caught:
            client.echo(timer.Message("a", 2**32 - 1))
        self.assertIsInstance(caught.exception, backplane.InvalidArgumentError)
        job = timer.Job("j", {"any": [1]}, timer.Priority.HIGH)
        came = []
        with client.on_job_scheduled(came.append):
            plan = timer.Schedule(job, timer.Retry(3, 10, ["io"]), timer.Timing(1000, 0))
            self.assertEqual(client.schedule(plan).priority, timer.Priority.HIGH)
            until(lambda: came)
        self.assertEqual(came[0].job, job)
        self.assertFalse(client.complex(timer.Complex([], [])).has_note)

        async def run():
            made = await timer.Timer.open_async(self.context)
            async with made.echo_fired_events_async() as events:
                await made.echo_async(timer.Message("b", 0))
                return (await anext(events)).message, [tick.tick async for tick in made.ticks_async(timer.Ticks(3, 1))]

        self.assertEqual(asyncio.run(asyncio.wait_for(run(), SECONDS)), ("b", [1, 2, 3]))

    def test_kv(self):
        client = kv.Kv(self.context)
        with client.changed_events() as changed:
            self.assertIsNone(client.put(kv.Entry("a", {"n": 2**63})))
            self.assertEqual(changed.get(SECONDS).payload, kv.Changed("a", kv.Change.PUT))
        self.assertEqual(client.get(kv.Key("a")), kv.Found(True, {"n": 2**63}))
        self.assertEqual(client.scan(kv.Scan(limit=1)), kv.Page([kv.Entry("a", {"n": 2**63})]))
        self.assertEqual(client.count(kv.Prefix(prefix="a")).count, 1)
        self.assertTrue(client.delete(kv.Key("a")).deleted)
        with self.assertRaises(kv.BadPayloadError):
            client.put(kv.Entry("", None))

    def test_session(self):
        client = session.Session(self.context)
        with self.assertRaises(session.NoHostFunctionError):
            client.login(session.User("a"))
        provided = client.provide_profile_fetch(lambda user: [user.user_id])
        with provided, client.logged_in_events() as events:
            self.assertEqual(client.login(session.User(2**64 - 1)), session.LoggedIn(2**64 - 1, [2**64 - 1]))
            self.assertEqual(events.get(SECONDS).payload, session.User(2**64 - 1))

    def test_what_a_host_function_is_asked_is_read_strictly(self):
        @dataclasses.dataclass
        class Nobody:
            name: str | None = None

        known = codecs.struct(Nobody, codecs.Member("name", "name", codecs.text, optional=True))
        asked = Call("profile.fetch", known, codecs.anything)
        with session.Session(self.context)._provide(asked, True, lambda nobody: nobody.name, None):
            with self.assertRaisesRegex(backplane.CallError, "user_id: unknown field; known: name") as caught:
                session.Session(self.context).login(session.User("a"))
        self.assertEqual(caught.exception.status, 20)

    def test_generator(self):
        client = generator.Generator(self.context)
        self.assertEqual([each.prime for each in client.primes(generator.Primes(4))], [2, 3, 5, 7])
        self.assertEqual(client.zip(generator.Lists([1], ["a"])).items, [1, "a"])
        self.assertEqual(client.chain(generator.Chain(2, [-(2**63)])).values, [-(2**63) + 2])

    def test_forms(self):
        client = forms.Forms(self.context)
        self.assertIsInstance(client.scalars(scalars()), forms.Scalars)
        self.assertEqual(client.defaults(forms.Defaults(required="r")), forms.Defaults(required="r"))
        changed = forms.Defaults(name="", count=5, factor=2.0, loud=False, colour=forms.Colour.CLASS, limit=9, required="")
        self.assertEqual(client.defaults(changed), changed)
        with self.assertRaises(forms.Error1001) as caught:
            client.defaults(forms.Defaults(count=101, required=""))
        self.assertEqual((caught.exception.status, caught.exception.detail), (1001, forms.Point(1.0, 2.0)))
        self.assertIsNone(client.nothing())
        self.assertEqual(client.lists({"a": None, "b": 5}), [])
        self.assertEqual(client.raw(b"abc"), b"abc")
        self.assertEqual(client.double(POINT), forms.Point(2.0, -5.0))


class Embedded(Lane, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = backplane.embed()
        cls.context.load(module("timer"), timer.configuration(timer.Config(name="mine")))
        for name in (*BUNDLED, "forms"):
            if name != "timer":
                cls.context.load(module(name))

    @classmethod
    def tearDownClass(cls):
        cls.context.close()

    def test_a_configuration_is_typed(self):
        self.assertEqual(timer.Timer(self.context).echo(timer.Message("a", 0)).timer_name, "mine")


class Connected(Lane, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        work = cls.enterClassContext(folder())
        host = cls.enterClassContext(Host(work, *[module(name) for name in (*BUNDLED, "forms")]))
        cls.context = cls.enterClassContext(backplane.connect(host.socket))


class Types(unittest.TestCase):
    """Without a host: what is written is read again as it was, and what does not fit is told with its place."""

    def both(self, codec, value):
        plain = codec.encode(value)
        self.assertEqual(codec.decode(backplane.cbor.loads(backplane.cbor.dumps(plain))), value)
        return plain

    def test_each_form_survives(self):
        self.both(forms._Scalars, scalars())
        composed = forms.Composed(
            list_=["a", ""], set=[1], deque=[POINT], three=[1.0, 2.0, 3.0], words={"a": forms.Colour.CLASS},
            lists={"b": [POINT]}, numbers={-5: "x"}, points={2**64 - 1: POINT}, pair=("p", 1), tuple_=(1, "t", POINT),
            matrix=[[1.0], []], holes=[None, "x"], maps=[{"t": True}], user=2**64 - 1, users=["u", 5], maybe=["m"],
            choice={"p": POINT}, shape=forms.CircleOrSquareSquare(POINT),
        )  # fmt: skip
        plain = self.both(forms._Composed, composed)
        self.assertEqual(plain["shape"], {"square": {"x": 1.0, "y": -2.5}})
        composed.maybe = composed.choice = None
        plain = self.both(forms._Composed, composed)
        self.assertNotIn("maybe", plain)
        self.assertIsNone(plain["choice"])
        self.both(forms._Tree, tree("r", tree("a"), tree("b", tree("c")), next=tree("n"), named={"k": tree("v")}))

    def test_absent_members_have_their_defaults_and_unknown_ones_are_ignored(self):
        found = forms._Defaults.decode({"required": "r", "more": 1})
        self.assertEqual(found, forms.Defaults(required="r"))
        self.assertEqual((found.count, found.colour, found.limit), (-5, forms.Colour.GREEN, 7))
        self.assertIsNone(forms._Defaults.decode({"required": "r", "limit": None}).limit)
        self.assertIsNone(forms._Tree.decode({"name": "", "children": [], "named": {}, "next": None}).next)
        self.assertEqual(forms._Point.decode({"x": 1, "y": 2}), forms.Point(1.0, 2.0))

    def test_requests_are_read_strictly_in_each_form(self):
        point, more = {"x": 1.0, "y": 2.0}, {"x": 1.0, "y": 2.0, "z": 3.0}
        of = forms._Point
        for codec, known, unknown, place in (
            (of, point, more, "z"),
            (codecs.nullable(of), point, more, "z"),
            (codecs.sequence(of), [point], [point, more], "[1].z"),
            (codecs.mapping(codecs.text, of), {"a": point}, {"a": more}, "['a'].z"),
            (codecs.fixed(codecs.text, of), ["a", point], ["a", more], "[1].z"),
            (codecs.later(lambda: of), point, more, "z"),
            (forms._CircleOrSquare, {"square": point}, {"square": more}, "square.z"),
            (forms._CircleOrSquare, {"square": point}, {"square": point, "oval": 1}, "oval"),
            (forms._PointPage, {"items": [point]}, {"items": [more]}, "items[0].z"),
        ):
            codec.decode(unknown)
            self.assertEqual(codec.strict(known), codec.decode(known))
            with self.assertRaises(codecs.Mismatch) as caught:
                codec.strict(unknown)
            self.assertTrue(str(caught.exception).startswith(f"{place}: unknown field; "), str(caught.exception))
        either = codecs.choice(codecs.text, of)
        self.assertEqual(either.strict(point), forms.Point(1.0, 2.0))
        with self.assertRaisesRegex(codecs.Mismatch, "z: unknown field"):
            either.strict(more)
        self.assertEqual(of.decode(more), forms.Point(1.0, 2.0))

    def test_what_does_not_fit_is_told_with_its_place(self):
        for codec, value, expected in (
            (forms._Scalars, scalars(u8=256), "u8: expected 0 to 255, got 256"),
            (forms._Scalars, scalars(i8=True), "i8: expected int, got bool"),
            (forms._Scalars, scalars(id=b"short"), "id: expected 16 bytes, got 5"),
            (forms._Scalars, scalars(text=b"a"), "text: expected text, got bytes"),
            (forms._Scalars, scalars(class_="a"), "class: expected int, got text"),
            (forms._Tree, tree("a", tree("b", tree(None))), "children[0].children[0].name: expected text, got null"),
            (forms._Tree, tree("a", 5), "children[0]: expected a Tree, got int"),
        ):
            with self.assertRaises(codecs.Mismatch) as caught:
                codec.encode(value)
            self.assertEqual(str(caught.exception), expected)
        for codec, plain, expected in (
            (forms._Point, {"x": 1}, "expected the member 'y', which is missing"),
            (forms._Point, [1], "expected map, got array"),
            (forms._Colour, "blue", "expected 'red', 'green', 'class'; got 'blue'"),
            (forms._PointPage, {"items": [{"x": 1, "y": 1}, {"x": 1, "y": "a"}]}, "items[1].y: expected float, got text"),
            (forms._CircleOrSquare, {}, "expected exactly one of circle, square; got 0"),
        ):
            with self.assertRaises(codecs.Mismatch) as caught:
                codec.decode(plain)
            self.assertEqual(str(caught.exception), expected)

    def test_constants_and_stamps_are_there(self):
        self.assertEqual((forms.MOST, forms.LOWEST, forms.GREETING, forms.ON), (600, -3, 'say "hello"', True))
        self.assertEqual((forms.MODULE, forms.MODULE_VERSION), ("forms", "1.0.0"))
        self.assertRegex(forms.INTERFACE_HASH, "^[0-9a-f]{16}$")
        self.assertIn("forms.changed.event = Tree", forms.INTERFACE_CDDL)
        self.assertIn("returns the message after delay_ms", timer.Timer.echo.__doc__)

    def test_two_modules_with_equal_type_names_are_used_together(self):
        self.assertIsNot(timer.Config, session.Config)
        self.assertEqual(timer.Config().name, "timer")
        self.assertEqual(session.Config().fetch_timeout_ms, 5000)


if __name__ == "__main__":
    main()
