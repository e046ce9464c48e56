// SPDX-License-Identifier: Apache-2.0
//
// Reads items as a generated type and writes them again, for the cross-check of tests/bindings/codec/README.md.

use backplane::cbor::{from_slice, to_vec, Decode, Encode};
use backplane_rust_tests::bindings::forms;
use std::io::{stdin, stdout, Read, Write};

fn run<T: Encode + Decode>() {
    let (mut input, mut output) = (stdin().lock(), stdout().lock());
    let mut size = [0; 4];
    while input.read_exact(&mut size).is_ok() {
        let mut item = vec![0; u32::from_le_bytes(size) as usize];
        input.read_exact(&mut item).unwrap();
        let (read, answer) = match from_slice::<T>(&item) {
            Ok(value) => (1, to_vec(&value)),
            Err(e) => (0, e.to_string().into_bytes()),
        };
        output.write_all(&[read]).unwrap();
        output
            .write_all(&(answer.len() as u32).to_le_bytes())
            .unwrap();
        output.write_all(&answer).unwrap();
        output.flush().unwrap();
    }
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("Scalars") => run::<forms::Scalars>(),
        Some("Composed") => run::<forms::Composed>(),
        Some("Tree") => run::<forms::Tree>(),
        Some("Defaults") => run::<forms::Defaults>(),
        Some("PointPage") => run::<forms::PointPage>(),
        Some("Config") => run::<forms::Config>(),
        Some("TreeList") => run::<forms::TreeList>(),
        Some("Value") => run::<backplane::Value>(),
        other => panic!("found the type {:?}", other),
    }
}
