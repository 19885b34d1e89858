//! Reading files of every kind.

use serde_json::json;

use super::*;
use crate::testing::Bench;

#[tokio::test]
async fn lines_have_numbers_and_ranges() {
    let bench = Bench::new();
    let text: String = (1..=10).map(|line| format!("line {line}\n")).collect();
    bench.write("a.txt", &text);
    assert_eq!(
        bench.tell("read_file", json!({"file_path": "a.txt", "offset": "9"})).await,
        "     9\tline 9\n    10\tline 10\n[lines 9-10 of 10]\n"
    );
    assert_eq!(
        bench.tell("read_file", json!({"path": "a.txt", "offset": 2, "limit": 1})).await,
        "     2\tline 2\n[lines 2-2 of 10; continue with offset=3]\n"
    );
    let beyond = bench.tell("read_file", json!({"path": "a.txt", "offset": 11})).await;
    assert_eq!(beyond, "error: a.txt: offset 11 is beyond the end, the file has 10 lines");
    bench.write("b.txt", "no end").write("c.txt", "");
    assert_eq!(bench.tell("read_file", json!({"path": "b.txt"})).await, "     1\tno end\n");
    assert_eq!(bench.tell("read_file", json!({"path": "c.txt"})).await, "(the file is empty)");
    assert!(bench.tell("read_file", json!({"path": "."})).await.contains("list_dir"));
}

#[tokio::test]
async fn a_huge_file_costs_a_bounded_result() {
    let mut bench = Bench::new();
    bench.output_limit = 5000;
    bench.write("lines", "0123456789\n".repeat(2_000_000)).write("line", "x".repeat(30_000_000));
    let output = bench.call("read_file", json!({"path": "lines"})).await.unwrap();
    assert!(output.truncated && output.result.len() <= 5000);
    assert!(output.result.contains("of 2000000; continue with offset="), "{}", output.result);
    let output = bench.call("read_file", json!({"path": "line"})).await.unwrap();
    assert!(output.result.len() <= 5000 && output.result.contains("[line cut, it has 30000000 bytes]"));
    bench.output_limit = 600;
    let output = bench.call("read_file", json!({"path": "line"})).await.unwrap();
    assert!(output.result.len() <= 600 && output.result.starts_with("     1\txxx"));
}

#[tokio::test]
async fn encodings_are_read_and_told() {
    let bench = Bench::new();
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("grün\r\nzwei\r\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    bench.write("u16", utf16).write("bom", "\u{feff}one\r\n").write("latin", b"gr\xfcn\nok\n");
    assert_eq!(
        bench.tell("read_file", json!({"path": "u16"})).await,
        "     1\tgrün\n     2\tzwei\n[the file is UTF-16 (little endian); changes keep that]\n"
    );
    assert_eq!(
        bench.tell("read_file", json!({"path": "bom"})).await,
        "     1\tone\n[the file is UTF-8 with a byte order mark; changes keep that]\n"
    );
    assert!(
        bench
            .tell("read_file", json!({"path": "latin"}))
            .await
            .contains("1 of these lines hold bytes that are not UTF-8")
    );
}

#[tokio::test]
async fn images_are_shown_and_binaries_refused() {
    let bench = Bench::new();
    let png = |width: u32| {
        let sides = [width.to_be_bytes(), 5_001u32.to_be_bytes()].concat();
        [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &sides, &[8, 6, 0, 0, 0]].concat()
    };
    bench
        .write("a.txt", png(9_000))
        .write("many.png", png(10_000))
        .write("broken.png", &png(9_000)[..20])
        .write("elf", b"\x7fELF\0\0")
        .write("big.gif", [&b"GIF89a"[..], &vec![0; 11_000_000]].concat());
    let output = bench.call("read_file", json!({"path": "a.txt"})).await.unwrap();
    assert!(
        matches!(&output.content[..], [ContentBlock::Image { mime_type, data, .. }] if mime_type == "image/png" && data.starts_with("iVBORw0KGgo"))
    );
    assert_eq!(
        bench.tell("read_file", json!({"path": "elf"})).await,
        "error: elf: this is an ELF executable or library of 6 bytes, not text"
    );
    assert_eq!(output.result, "a.txt: a PNG image of 9000x5001 pixels, 29 bytes");
    for (path, why) in [
        ("big.gif", "11000006 bytes; an image may have 10485760"),
        ("many.png", "10000x5001 pixels; an image may have 50000000"),
        ("broken.png", "a PNG without its size: it is damaged"),
    ] {
        let told = bench.tell("read_file", json!({"path": path})).await;
        assert_eq!(told, format!("error: {path}: this image cannot be shown: {why}"));
    }
}

#[tokio::test]
async fn a_cancelled_call_stops() {
    let bench = Bench::new();
    bench.write("a", "a");
    let (context, _receiver, cancel) = bench.context();
    cancel.cancel();
    let output = bench.toolbox.get("read_file").unwrap().run(json!({"path": "a"}), context).await;
    assert!(matches!(output, Err(ToolError::Stopped { .. })));
}
