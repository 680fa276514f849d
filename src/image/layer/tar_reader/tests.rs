use super::*;
use crate::image::layer::pax;

fn all(tar: &[u8]) -> io::Result<Vec<(TarEntry, Vec<u8>)>> {
    let mut entries = TarReader::new(tar);
    let mut found = Vec::new();
    while let Some(entry) = entries.next_entry()? {
        let mut content = Vec::new();
        entries.read_to_end(&mut content)?;
        found.push((entry, content));
    }
    Ok(found)
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_path("a").expect("a short name");
    header.set_entry_type(kind);
    header.set_mode(0o4755);
    header.set_uid(1);
    header.set_gid(2);
    header.set_mtime(3);
    header.set_size(size);
    header.set_cksum();
    header
}

fn tar(parts: &[(Header, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (header, content) in parts {
        tar.append(header, *content).expect("a tar in memory");
    }
    tar.into_inner().expect("a tar in memory")
}

#[test]
fn tar_reader_returns_all_attributes_of_files() {
    let found = all(&tar(&[(header(EntryType::Regular, 3), b"abc"), (header(EntryType::Directory, 0), b"")]));
    let found = found.expect("reads");
    assert_eq!(found[0].0.kind, TarEntryKind::File(3));
    assert_eq!(found[0].1, b"abc");
    let attributes = &found[0].0.attributes;
    assert_eq!((attributes.mode, attributes.owner, attributes.mtime), (0o4755, (1, 2), (3, 0)));
    assert_eq!(found[1].0.kind, TarEntryKind::Directory);
}

#[test]
fn pax_records_override_headers_and_hold_line_breaks() {
    let mut records = Vec::new();
    for (key, value) in [
        ("path", &b"\xff\xfe/long"[..]),
        ("uid", b"70000000"),
        ("mtime", b"-1.25"),
        ("size", b"2"),
        ("SCHILY.xattr.user.x", b"\n1\n=\0"),
    ] {
        pax::append(&mut records, key.as_bytes(), value);
    }
    let tar =
        tar(&[(header(EntryType::XHeader, records.len() as u64), &records), (header(EntryType::Regular, 3), b"ab")]);
    let found = all(&tar).expect("reads");
    let (entry, content) = &found[0];
    assert_eq!((entry.path.as_slice(), content.as_slice()), (&b"\xff\xfe/long"[..], &b"ab"[..]));
    assert_eq!(entry.attributes.owner, (70_000_000, 2));
    assert_eq!(entry.attributes.mtime, (-2, 750_000_000));
    assert_eq!(entry.attributes.xattrs[&b"user.x"[..]], b"\n1\n=\0");
}

#[test]
fn gnu_long_names_are_read() {
    let name = [vec![b'n'; 300], vec![0]].concat();
    let tar = tar(&[
        (header(EntryType::GNULongName, 301), &name),
        (header(EntryType::GNULongLink, 301), &name),
        (header(EntryType::Symlink, 0), b""),
    ]);
    let found = all(&tar).expect("reads");
    assert_eq!(found[0].0.path, vec![b'n'; 300]);
    assert_eq!(found[0].0.kind, TarEntryKind::Symlink(vec![b'n'; 300]));
}

#[test]
fn names_have_the_priority_of_go() {
    let name = |parts: &[(Header, &[u8])]| all(&tar(parts)).expect("reads").remove(0).0;
    let records = |records: &[(&[u8], &[u8])]| {
        let mut bytes = Vec::new();
        for (key, value) in records {
            pax::append(&mut bytes, key, value);
        }
        bytes
    };
    let both = records(&[(b"path", b"pax"), (b"linkpath", b"pax-to")]);
    let pax = || (header(EntryType::XHeader, both.len() as u64), both.as_slice());
    let file = || (header(EntryType::Regular, 0), &b""[..]);
    let long = |kind| (header(kind, 4), &b"gnu\0"[..]);
    for parts in [[long(EntryType::GNULongName), pax(), file()], [pax(), long(EntryType::GNULongName), file()]] {
        assert_eq!(name(&parts).path, b"gnu");
    }
    let link = (header(EntryType::Symlink, 0), &b""[..]);
    let entry = name(&[long(EntryType::GNULongLink), pax(), link]);
    assert_eq!((entry.path, entry.kind), (b"pax".to_vec(), TarEntryKind::Symlink(b"gnu".to_vec())));
    let none = (header(EntryType::GNULongName, 1), &b"\0"[..]);
    assert_eq!(name(&[none, pax(), file()]).path, b"pax");
    // An empty record removes the one before it, and a global header consumes the headers before it.
    let removed = records(&[(b"path", b"pax"), (b"path", b"")]);
    let removed = (header(EntryType::XHeader, removed.len() as u64), removed.as_slice());
    assert_eq!(name(&[removed, file()]).path, b"a");
    assert_eq!(name(&[pax(), (header(EntryType::XGlobalHeader, 0), b""), file()]).path, b"a");
}

#[test]
fn zero_block_ends_tar_if_nothing_follows() {
    let whole = tar(&[(header(EntryType::Regular, 0), b"")]);
    let (entry, zeros) = (&whole[..512], &[0; 512][..]);
    assert_eq!(all(&[entry, zeros].concat()).expect("reads").len(), 1);
    assert_eq!(all(&[entry, zeros, zeros, entry].concat()).expect("reads").len(), 1);
    let error = all(&[entry, zeros, entry].concat()).expect_err("is rejected");
    assert!(error.to_string().contains("data follows the end"), "{error}");
    assert!(all(&[entry, zeros, &zeros[..100]].concat()).is_err());
}

#[test]
fn tar_reader_rejects_truncated_invalid_and_oversized_input() {
    let whole = tar(&[(header(EntryType::Regular, 3), b"abc")]);
    for end in [100, 513, 1000] {
        assert!(all(&whole[..end]).is_err(), "{end}");
    }
    assert_eq!(all(&whole[..1024]).expect("it may end without zeros").len(), 1);
    assert!(all(&[b'x'; 512]).unwrap_err().to_string().contains("not a tar"));
    let message = |parts: &[(Header, &[u8])]| all(&tar(parts)).expect_err("is rejected").to_string();
    assert!(message(&[(header(EntryType::GNULongName, 2 << 20), &vec![b'n'; 2 << 20])]).contains("exceeds the limit"));
    assert!(message(&[(header(EntryType::GNUSparse, 0), b"")]).contains("sparse"));
    assert!(message(&[(header(EntryType::new(b'Z'), 0), b"")]).contains("unknown entry type 0x5a"));
    assert!(message(&[(header(EntryType::Symlink, 0), b"")]).contains("has no target"));
}
