use std::path::Path;

use serde_json::Value;

use super::{crds, crds_yaml};

/// The committed definitions are the generated ones. `KEYLESS_BLESS=1` writes them.
#[test]
fn committed_definitions_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    for (plural, text) in crds_yaml() {
        let file = folder.join(format!("{plural}.yaml"));
        if std::env::var_os("KEYLESS_BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == text,
            "{} differs from the types: run `cargo xtask generate`",
            file.display()
        );
    }
}

/// What fits into the annotation that `kubectl apply` keeps, with room to spare.
#[test]
fn definitions_are_small() {
    for crd in crds() {
        let size = crd.to_string().len();
        assert!(size <= 131_072, "{} has {size} bytes", crd["metadata"]["name"]);
    }
}

#[test]
fn yaml_reads_back_as_the_same_value() {
    for (crd, (plural, text)) in crds().into_iter().zip(crds_yaml()) {
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert!(read == crd, "{plural}");
        assert!(text.is_ascii() || !text.contains('\t'));
    }
}
