// SPDX-License-Identifier: Apache-2.0

use backplane::cbor::{from_slice, from_slice_strict, to_vec, Cbor, MAX_DEPTH};
use backplane::{Bytes, Value};
use backplane_rust_tests::bindings::{forms, timer};

fn error<T: backplane::cbor::Decode>(bytes: &[u8]) -> String {
    match from_slice::<T>(bytes) {
        Ok(_) => panic!("{:?} was read", bytes),
        Err(e) => e.to_string(),
    }
}

#[test]
fn nesting_has_a_bound() {
    let nested = |depth: u32| {
        let mut bytes = vec![0x81; depth as usize];
        bytes.push(0x80);
        bytes
    };
    assert!(from_slice::<Value>(&nested(MAX_DEPTH - 1)).is_ok());
    assert_eq!(
        error::<Value>(&nested(MAX_DEPTH)).rsplit(": ").next(),
        Some("nested deeper than 64 levels")
    );
    for first in [0x81, 0xa1, 0xc1, 0x9f, 0xbf] {
        assert!(from_slice::<Value>(&vec![first; 1 << 20]).is_err());
        assert!(from_slice::<Cbor>(&vec![first; 1 << 20]).is_err());
        assert!(from_slice::<forms::Tree>(&vec![first; 1 << 20]).is_err());
    }
}

#[test]
fn a_length_is_not_trusted() {
    for head in [
        &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..],
        &[0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x7b, 0, 0, 0, 1, 0, 0, 0, 0],
        &[0x9a, 0xff, 0xff, 0xff, 0xff, 0],
        &[0x5f, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert!(error::<Value>(head).contains("too early"), "{:?}", head);
        assert!(from_slice::<Vec<u64>>(head).is_err());
        assert!(from_slice::<Bytes>(head).is_err());
    }
}

#[test]
fn text_is_utf8_also_in_chunks_and_where_it_is_skipped() {
    assert_eq!(
        error::<String>(&[0x62, 0xc3, 0x28]),
        "found text that is not UTF-8"
    );
    assert_eq!(error::<Cbor>(&[0x61, 0xff]), "found text that is not UTF-8");
    assert_eq!(
        error::<String>(&[0x7f, 0x61, 0xc3, 0x61, 0xbc, 0xff]),
        "found text that is not UTF-8"
    );
    assert_eq!(
        from_slice::<String>(&[0x7f, 0x62, 0xc3, 0xbc, 0x60, 0xff]).unwrap(),
        "ü"
    );
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    let message = |value: Value| error::<timer::Complex>(&to_vec(&value));
    let one = Value::map([
        ("message", Value::from("m")),
        ("delay_ms", Value::from("x")),
    ]);
    let good = Value::map([("message", Value::from("m")), ("delay_ms", 1.into())]);
    let list = |messages| {
        Value::map([
            ("messages", Value::Array(messages)),
            ("tags", Value::Array(vec![])),
        ])
    };
    assert_eq!(
        message(list(vec![good.clone(), one])),
        "messages[1].delay_ms: expected int, got text"
    );
    let large = Value::map([
        ("message", Value::from("m")),
        ("delay_ms", (1u64 << 32).into()),
    ]);
    assert_eq!(
        message(list(vec![large])),
        "messages[0].delay_ms: expected 0 to 4294967295, got 4294967296"
    );
    assert_eq!(
        message(list(vec![Value::map([("message", "m")])])),
        "messages[0].delay_ms: missing"
    );
    assert_eq!(message(Value::Null), "expected map, got null");
    assert_eq!(
        error::<timer::Priority>(&to_vec("huge")),
        "expected \"low\" or \"normal\" or \"high\", got \"huge\""
    );
    let more = Value::map([
        ("message", Value::from("m")),
        ("delay_ms", 1.into()),
        ("x", 2.into()),
    ]);
    assert!(from_slice::<timer::Message>(&to_vec(&more)).is_ok());
    let strict = from_slice_strict::<timer::Message>(&to_vec(&more)).unwrap_err();
    assert_eq!(strict.to_string(), "x: unknown member");
    let twice = [0xa2, 0x61, b'x', 0x01, 0x61, b'x', 0x01];
    assert_eq!(error::<forms::Point>(&twice), "x: given twice");
    let mut rest = to_vec(&good);
    rest.push(0);
    assert!(error::<timer::Message>(&rest).starts_with("found more bytes after the end"));
}

#[test]
fn absent_null_and_defaults_follow_one_rule() {
    let defaults: forms::Defaults = from_slice(&to_vec(&Value::map([("required", "r")]))).unwrap();
    assert_eq!(
        (defaults.count, defaults.limit, defaults.loud),
        (-5, Some(7), true)
    );
    assert_eq!(defaults.colour, forms::Colour::Green);
    assert_eq!(defaults.name, "timer \"x\"");
    let given = Value::map([("required", Value::from("r")), ("limit", Value::Null)]);
    assert_eq!(
        from_slice::<forms::Defaults>(&to_vec(&given))
            .unwrap()
            .limit,
        None
    );
    let page = forms::PointPage::default();
    assert_eq!(
        to_vec(&page),
        [0xa1, 0x65, b'i', b't', b'e', b'm', b's', 0x80]
    );
    assert_eq!(
        from_slice::<forms::PointPage>(&to_vec(&page)).unwrap(),
        page
    );
}

#[test]
fn integers_are_exact_and_nan_stays_nan() {
    for int in [
        0,
        23,
        24,
        255,
        256,
        65_535,
        65_536,
        (1 << 53) + 1,
        u64::MAX.into(),
        -1,
        -(1i128 << 64),
    ] {
        let back: Value = from_slice(&to_vec(&Value::Int(int))).unwrap();
        assert_eq!(back.as_int(), Some(int));
    }
    assert!(from_slice::<i64>(&to_vec(&u64::MAX)).is_err());
    assert!(from_slice::<f64>(&to_vec(&f64::NAN)).unwrap().is_nan());
    assert_eq!(from_slice::<f64>(&[0xf9, 0x3e, 0x00]).unwrap(), 1.5);
    assert_eq!(
        from_slice::<f64>(&[0xf9, 0x80, 0x01]).unwrap(),
        -5.960464477539063e-8
    );
    assert_eq!(from_slice::<f32>(&[0x18, 0x64]).unwrap(), 100.0);
}
