use proptest::prelude::*;
use serde_json::json;

use super::write::{Expr, Writer, quote};
use super::*;

fn module(text: &str) -> Module {
    let mut module = Module::new();
    module.add(0, text).unwrap();
    module
}

#[test]
fn what_is_known_is_evaluated_and_the_rest_stays_visible() {
    let mut module = module(
        r#"
locals {
  host = replace(var.issuer, "https://", "")
}
variable "issuer" {
  default = "https://oidc.example.com/c1"
}
data "aws_partition" "current" {}
resource "aws_iam_openid_connect_provider" "this" {
  url = var.issuer
}
resource "x" "y" {
  host    = local.host
  arn     = aws_iam_openid_connect_provider.this.arn
  text    = "a ${local.host} b ${data.moon.this.id}"
  list    = concat(["a"], [local.host])
  json    = jsonencode({ a = 1, "b c" = [true, null] })
  format  = format("%s/%s", "a", local.host)
  later   = data.moon.this.id
  circle  = local.circle
  choice  = var.a ? 1 : 2
  escaped = "$${aws:PrincipalTag/x}"
  here    = <<-EOT
    one
    two ${local.host}
  EOT
}
locals { circle = local.circle }
"#,
    );
    module.know(
        "data.aws_caller_identity.current.account_id",
        "111122223333",
    );
    let block = module.resources("x").next().unwrap().clone();
    let value = |name| module.value(&block, name).unwrap();
    assert_eq!(value("host"), json!("oidc.example.com/c1"));
    assert_eq!(
        value("arn"),
        json!(
            "arn:${data.aws_partition.current.partition}:iam::111122223333:oidc-provider/oidc.example.com/c1"
        )
    );
    assert_eq!(
        value("text"),
        json!("a oidc.example.com/c1 b ${data.moon.this.id}")
    );
    assert_eq!(value("list"), json!(["a", "oidc.example.com/c1"]));
    assert_eq!(value("json"), json!(r#"{"a":1,"b c":[true,null]}"#));
    assert_eq!(value("format"), json!("a/oidc.example.com/c1"));
    assert_eq!(value("later"), json!("${data.moon.this.id}"));
    assert!(is_unknown(value("circle").as_str().unwrap()));
    assert!(is_unknown(value("choice").as_str().unwrap()));
    assert_eq!(value("escaped"), json!("${aws:PrincipalTag/x}"));
    assert!(!is_unknown(value("escaped").as_str().unwrap()));
    assert!(
        value("here")
            .as_str()
            .unwrap()
            .contains("two oidc.example.com/c1")
    );
    assert_eq!((block.line, block.attribute("arn").unwrap().line), (12, 14));
}

#[test]
fn policy_documents_are_those_that_the_provider_makes() {
    let module = module(
        r#"
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = ["arn:aws:iam::111122223333:oidc-provider/a.example"]
    }
    condition {
      test     = "StringEquals"
      variable = "a.example:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "a.example:sub"
      values   = ["system:serviceaccount:a:b"]
    }
  }
}
resource "aws_iam_role" "this" {
  name               = "a"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}
"#,
    );
    let role = module.resources("aws_iam_role").next().unwrap();
    let document = module.text(role, "assume_role_policy").unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(
        document,
        json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Principal": {"Federated": ["arn:aws:iam::111122223333:oidc-provider/a.example"]},
            "Condition": {"StringEquals": {
                "a.example:aud": ["sts.amazonaws.com"],
                "a.example:sub": ["system:serviceaccount:a:b"],
            }},
        }]})
    );
}

#[test]
fn references_that_lead_nowhere_are_seen() {
    let module = module(
        r#"
variable "a" {}
locals { list = [for my_item in var.a : my_item.b] }
resource "aws_iam_role" "this" {
  name = var.a
  other = data.azurerm_client_config.current.tenant_id
  more = [aws_iam_role.this.id, local.nothing, each.value.id, aws_iam_policy.none.arn]
  dynamic "my_block" {
    for_each = var.a
    content { x = my_block.value.y }
  }
}
"#,
    );
    let missing = module
        .references()
        .into_iter()
        .filter(|r| !module.declares(r));
    let missing: Vec<_> = missing.map(|r| (r.address, r.line)).collect();
    assert_eq!(
        missing,
        [
            ("aws_iam_policy.none".to_owned(), 7),
            ("data.azurerm_client_config.current".to_owned(), 6),
            ("local.nothing".to_owned(), 7),
        ]
    );
}

#[test]
fn bad_files_are_refused_with_their_place() {
    let error = Module::new().add(0, "a = 1\nb {\n  c = [1,\n").unwrap_err();
    assert!(
        matches!(error, HclError::Syntax { line: 3.., .. }),
        "{error}"
    );
    let long = " ".repeat(MAX_LENGTH + 1);
    assert_eq!(
        Module::new().add(0, &long),
        Err(HclError::TooLong(long.len()))
    );
    let deep = format!("a = {}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert!(Module::new().add(0, &deep).is_err());
}

#[test]
fn written_files_read_well() {
    let mut w = Writer::new();
    w.comment("made up");
    w.block("resource", &["a", "b"], |w| {
        w.set("name", &Expr::text("x"));
        w.set("longer", &Expr::texts(["one", "two"]));
        w.set("on", &Expr::Bool(true));
        w.block("inner", &[], |w| {
            w.set("map", &Expr::Object(vec![("a b".into(), Expr::Number(1))]));
        });
    });
    w.block("data", &["c", "d"], |_| {});
    assert_eq!(
        w.finish(),
        "# made up\nresource \"a\" \"b\" {\n  name = \"x\"\n  longer = [\n    \"one\",\n    \"two\",\n  ]\n  on = true\n\n  inner {\n    map = {\n      \"a b\" = 1\n    }\n  }\n}\n\ndata \"c\" \"d\" {\n}\n"
    );
}

proptest! {
    /// Whatever a name holds, it comes back as it was: nothing in it is read as code.
    #[test]
    fn texts_survive(text in "(.|\\$\\{|%\\{|\\\\|\"|\n|<<EOT|#|\\*/){0,20}") {
        let file = format!("block {{\n  a = {}\n}}\n", quote(&text));
        let module = module(&file);
        let block = &module.blocks[0];
        prop_assert_eq!(module.value(block, "a").unwrap(), json!(text));
        let mut w = Writer::new();
        w.block("block", &[&text], |w| {
            w.set("a", &Expr::Object(vec![(text.clone(), Expr::texts([text.clone(), text.clone()]))]));
        });
        let file = w.finish();
        let mut module = Module::new();
        prop_assert_eq!(module.add(0, &file), Ok(()), "{}", file);
        let block = &module.blocks[0];
        prop_assert_eq!(block.labels.as_slice(), std::slice::from_ref(&text));
        prop_assert_eq!(module.value(block, "a").unwrap(), json!({text.clone(): [text.clone(), text]}));
    }

    #[test]
    fn reading_never_panics(text in "([a-z]+ |\"|\\{|\\}|=|\\$\\{|\n|<<E|\\[|\\]|[0-9]|\\(|\\)|\\.|,){0,40}") {
        let mut module = Module::new();
        if module.add(0, &text).is_ok() {
            for block in &module.blocks {
                for attribute in &block.attributes {
                    let _ = module.value(block, &attribute.name);
                }
            }
            let _ = module.references();
        }
    }
}
