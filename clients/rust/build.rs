// SPDX-License-Identifier: Apache-2.0
//
// Finds libbackplane.so: in the folder $BACKPLANE_LIB_DIR, else where pkg-config says, else where the linker looks.

use std::env;
use std::process::Command;

fn folder() -> Option<String> {
    println!("cargo:rerun-if-env-changed=BACKPLANE_LIB_DIR");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    if let Ok(folder) = env::var("BACKPLANE_LIB_DIR") {
        return Some(folder);
    }
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let asked = Command::new(program)
        .args(["--variable=libdir", "backplane"])
        .output()
        .ok()?;
    let folder = String::from_utf8(asked.stdout).ok()?.trim().to_string();
    (asked.status.success() && !folder.is_empty()).then_some(folder)
}

fn main() {
    if let Some(folder) = folder() {
        println!("cargo:rustc-link-search=native={}", folder);
        // The build scripts of applications find it as DEP_BACKPLANE_LIB_DIR.
        println!("cargo:lib_dir={}", folder);
    }
    println!("cargo:rustc-link-lib=dylib=backplane");
}
