use proptest::prelude::*;
use serde_json::json;

use super::*;

struct None;

impl Render for None {
    fn render(&mut self, _: &str, _: &str, _: &Map) -> Result<Vec<u8>, RenderError> {
        Err(RenderError::Execute("unused".to_owned().into()))
    }

    fn transform(&mut self, _: &str, _: &[&str]) -> Result<Vec<Vec<u8>>, RenderError> {
        Err(RenderError::Execute("unused".to_owned().into()))
    }
}

fn small_map() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(".{0,6}", ".{0,6}", 0..5)
}

proptest! {
    #[test]
    fn no_operation_panics(
        map in small_map(),
        source in ".{0,10}",
        target in ".{0,10}",
        into in ".{0,3}",
        priority in prop::collection::vec(".{0,6}", 0..3),
    ) {
        let map: Map = map.into_iter().map(|(k, v)| (k, SecretBytes::from(v))).collect();
        for operation in [
            json!({"regexp": {"source": source, "target": target}}),
            json!({"merge": {"into": into, "priority": priority, "strategy": "JSON"}}),
            json!({"transform": {"template": source}}),
            json!({}),
        ] {
            let operation: Rewrite = serde_json::from_value(operation).unwrap();
            let _ = rewrite(&operation, map.clone(), &mut None);
        }
    }

    #[test]
    fn a_merge_of_one_object_is_its_extract(members in small_map()) {
        let document = serde_json::to_string(&members).unwrap();
        let map: Map = [("k".to_owned(), SecretBytes::from(document))].into();
        let operation: Rewrite = serde_json::from_value(json!({"merge": {}})).unwrap();
        let merged = rewrite(&operation, map, &mut None).unwrap();
        let expected: Map = members.into_iter().map(|(k, v)| (k, SecretBytes::from(v))).collect();
        prop_assert_eq!(merged, expected);
    }
}
