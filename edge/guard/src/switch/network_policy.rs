use std::collections::BTreeMap;
use std::path::PathBuf;

use hyper::Request;
use hyper::http::request::Builder;
use serde_json::json;

use crate::order::Order;
use crate::switch::{HttpsPeer, Position, Switch, SwitchError, Turn};

/// Isolates the pods of a Kubernetes namespace that have certain labels: a NetworkPolicy (networking.k8s.io/v1) of ours that
/// selects them and allows nothing, in or out.
///
/// Plain JSON over HTTPS; no client library. What becomes of connections that are open is the network plugin's choice: drain or
/// freeze the pods first. A NetworkPolicy adds up with others: where another one *allows* traffic of the same pods, it stays allowed.
pub struct NetworkPolicySwitch {
    api: HttpsPeer,
    token_file: PathBuf,
    namespace: String,
    name: String,
    labels: BTreeMap<String, String>,
}

impl NetworkPolicySwitch {
    /// Takes the API server, the file with the bearer token, the namespace, the name of the policy to make, and the pods' labels
    /// (none: all pods of the namespace).
    pub fn new(api: HttpsPeer, token_file: PathBuf, namespace: String, name: String, labels: BTreeMap<String, String>) -> Self {
        Self {
            api,
            token_file,
            namespace,
            name,
            labels,
        }
    }

    fn path(&self, name: &str) -> String {
        format!(
            "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies{name}",
            self.namespace
        )
    }

    async fn ask(&self, request: Builder, body: Vec<u8>) -> Result<(u16, Vec<u8>), SwitchError> {
        let file = &self.token_file;
        let token = tokio::fs::read_to_string(file).await;
        let token = token.map_err(SwitchError::io(file.display().to_string()))?;
        let request = request
            .header("authorization", format!("Bearer {}", token.trim()))
            .header("content-type", "application/json")
            .header("accept", "application/json");
        let (status, body) = self.api.ask(request, body).await?;
        Ok((status, body.to_vec()))
    }

    async fn position(&self) -> Result<Position, SwitchError> {
        let path = self.path(&format!("/{}", self.name));
        match self.ask(Request::get(path), Vec::new()).await? {
            (200, _) => Ok(Position::Cut),
            (404, _) => Ok(Position::Open),
            (status, body) => Err(self.api.refused(status, &body)),
        }
    }

    async fn isolate(&self) -> Result<Position, SwitchError> {
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": {"app.kubernetes.io/managed-by": "leckwehr"}},
            "spec": {"podSelector": {"matchLabels": self.labels}, "policyTypes": ["Ingress", "Egress"]},
        });
        match self
            .ask(Request::post(self.path("")), policy.to_string().into_bytes())
            .await?
        {
            // 409: it is there already.
            (200 | 201 | 409, _) => self.position().await,
            (status, body) => Err(self.api.refused(status, &body)),
        }
    }

    async fn lift(&self) -> Result<Position, SwitchError> {
        let path = self.path(&format!("/{}", self.name));
        match self.ask(Request::delete(path), Vec::new()).await? {
            (200 | 202 | 404, _) => self.position().await,
            (status, body) => Err(self.api.refused(status, &body)),
        }
    }
}

impl Switch for NetworkPolicySwitch {
    fn read(&mut self) -> Turn<'_> {
        Box::pin(self.position())
    }

    fn cut<'a>(&'a mut self, _order: &'a Order) -> Turn<'a> {
        Box::pin(self.isolate())
    }

    fn restore<'a>(&'a mut self, _order: &'a Order) -> Turn<'a> {
        Box::pin(self.lift())
    }
}
