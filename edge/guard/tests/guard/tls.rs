use std::sync::Arc;

use leckwehr_crypt::{Authority, Identity, VerifyingKey, client_tls, server_tls};
use leckwehr_guard::{
    Action, ClientError, Envelope, Executor, Fence, Journal, Order, Refusal, Reply, Status, Warrant, send_order, serve_connection,
};
use leckwehr_incident::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Mutex;

/// Counts what it is asked to do.
#[derive(Default)]
struct Counting(u32);

impl Executor for Counting {
    async fn execute(&mut self, _order: &Order) -> Result<Reply, Refusal> {
        self.0 += 1;
        Ok(Reply::done(self.0.into()))
    }
}

/// One question from a client with `tls` to a server that has `server`; the answer, and how often the executor was asked.
async fn ask(server: &Identity, tls: Arc<ClientConfig>, name: &str) -> (Result<Reply, ClientError>, u32) {
    let folder = tempfile::tempdir().unwrap();
    let fence = Fence::open(folder.path().join("fence")).unwrap();
    let warrant = Warrant {
        executor: name.into(),
        directory: None,
        controller: VerifyingKey::from_bytes([0; 32]),
        approvers: [].into(),
        fence,
        journal: Journal::open(&folder.path().join("journal")).unwrap(),
        clock: Arc::new(Timestamp::default),
    };
    let executor = Arc::new(Mutex::new((warrant, Counting::default())));
    let (near, far) = tokio::io::duplex(4096);
    let server = tokio::spawn(serve_connection(far, server_tls(server).unwrap(), Arc::clone(&executor)));
    let order = Order::new(Action::Query, "features", serde_json::json!([]));
    let envelope = Envelope {
        request_id: "1".into(),
        order,
        plan: None,
        approvals: vec![],
        epoch: 0,
        seal: None,
    };
    let answer = send_order(near, tls, name, &envelope).await;
    let _ = server.await.unwrap();
    let asked = executor.lock().await.1.0;
    (answer, asked)
}

#[tokio::test]
async fn only_both_of_one_root_and_of_the_right_name_talk() {
    let (ours, theirs) = (Authority::generate("ours").unwrap(), Authority::generate("theirs").unwrap());
    let guard = ours.issue("guard-a").unwrap();
    let room = client_tls(&ours.issue("control-room").unwrap()).unwrap();

    let (answer, asked) = ask(&guard, Arc::clone(&room), "guard-a").await;
    assert_eq!((answer.unwrap().status, asked), (Status::OK, 1));

    // The server is another one than was meant, or of another root.
    let (answer, asked) = ask(&guard, Arc::clone(&room), "guard-b").await;
    assert!(answer.unwrap_err().is_certainly_not_applied() && asked == 0);
    let (answer, asked) = ask(&theirs.issue("guard-a").unwrap(), room, "guard-a").await;
    assert!(answer.unwrap_err().is_certainly_not_applied() && asked == 0);

    // The client is of another root: it trusts the server, the server does not trust it.
    let mut stranger = theirs.issue("control-room").unwrap();
    stranger.root = guard.root.clone();
    let (answer, asked) = ask(&guard, client_tls(&stranger).unwrap(), "guard-a").await;
    assert!(answer.is_err() && asked == 0, "{answer:?}");

    // The client is an agent: of our root, but nobody to take orders from.
    let agent = client_tls(&ours.issue("fs-1").unwrap()).unwrap();
    let (answer, asked) = ask(&guard, agent, "guard-a").await;
    assert!(answer.is_err() && asked == 0, "{answer:?}");

    // The client has no certificate.
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(guard.root.clone())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let nobody = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap();
    let nobody = nobody.with_root_certificates(roots).with_no_client_auth();
    let (answer, asked) = ask(&guard, Arc::new(nobody), "guard-a").await;
    assert!(answer.is_err() && asked == 0, "{answer:?}");

    // A name that is none, and a peer that goes away.
    let (near, far) = tokio::io::duplex(64);
    drop(far);
    let room = client_tls(&ours.issue("control-room").unwrap()).unwrap();
    let order = Order::new(Action::Query, "features", serde_json::json!([]));
    let envelope = Envelope {
        request_id: "1".into(),
        order,
        plan: None,
        approvals: vec![],
        epoch: 0,
        seal: None,
    };
    assert!(
        send_order(near, room, "guard-a", &envelope)
            .await
            .unwrap_err()
            .is_certainly_not_applied()
    );
}

/// What becomes of a question to somebody who answers with this HTTP status and no OpenC2.
async fn answered_with(status: u16) -> ClientError {
    let ours = Authority::generate("ours").unwrap();
    let (near, far) = tokio::io::duplex(4096);
    let tls = server_tls(&ours.issue("guard-a").unwrap()).unwrap();
    tokio::spawn(async move {
        let stream = tokio_rustls::TlsAcceptor::from(tls).accept(far).await.unwrap();
        let answer = move |_| async move {
            let body = http_body_util::Full::new(hyper::body::Bytes::from("no"));
            hyper::Response::builder().status(status).body(body)
        };
        let served = hyper::server::conn::http1::Builder::new()
            .serve_connection(hyper_util::rt::TokioIo::new(stream), hyper::service::service_fn(answer));
        let _ = served.await;
    });
    let room = client_tls(&ours.issue("control-room").unwrap()).unwrap();
    let envelope = Envelope {
        request_id: "1".into(),
        order: Order::new(Action::Query, "features", serde_json::json!([])),
        plan: None,
        approvals: vec![],
        epoch: 0,
        seal: None,
    };
    send_order(near, room, "guard-a", &envelope).await.unwrap_err()
}

#[tokio::test]
async fn only_who_was_turned_away_knows_that_nothing_was_done() {
    for status in [400, 404, 413, 422] {
        assert!(answered_with(status).await.is_certainly_not_applied(), "HTTP {status}");
    }
    for status in [200, 302, 500, 502, 503] {
        assert!(!answered_with(status).await.is_certainly_not_applied(), "HTTP {status}");
    }
    for (status, nothing_done) in [(400, true), (403, true), (404, true), (500, false), (501, true), (503, false)] {
        assert_eq!(Status(status).is_certainly_not_applied(), nothing_done, "OpenC2 {status}");
    }
}
