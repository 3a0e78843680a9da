use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use leckwehr_telemetry::{Frame, SyslogFramer};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::receive::account::count;
use crate::receive::listener::{Context, Stop};
use crate::receive::queue::Payload;

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Receives syslog of one connection until it ends, is silent for too long, or all is told to stop.
///
/// A full queue, and more bytes than the limit, let the connection wait: the sender's TCP slows down with it.
pub(crate) async fn receive<S: AsyncRead + Unpin>(mut stream: S, peer: IpAddr, context: &Arc<Context>, mut stop: Stop) {
    let limits = &context.limits;
    let (mut framer, mut buffer) = (SyslogFramer::new(), vec![0; READ_BYTES]);
    // When the message that is not whole yet began.
    let mut begun: Option<Instant> = None;
    loop {
        let now = Instant::now();
        let silent = now + Duration::from_millis(limits.idle_ms_max);
        let deadline = begun.map_or(silent, |begun| {
            silent.min(begun + Duration::from_millis(limits.message_ms_max))
        });
        let read = tokio::select! {
            () = stop.told() => break,
            read = timeout_at(deadline, stream.read(&mut buffer)) => read,
        };
        let bytes = match read {
            Err(_) => {
                count(&context.counters.connections_idle);
                break;
            }
            Ok(Ok(0)) => break,
            Ok(Ok(length)) => buffer.get(..length).unwrap_or(&[]),
            Ok(Err(_)) => {
                count(&context.counters.socket_errors);
                break;
            }
        };
        let messages = frames(context, |sink| framer.push(bytes, sink));
        begun = match (framer.is_within(), messages.is_empty()) {
            (false, _) => None,
            (true, true) => begun.or(Some(now)),
            (true, false) => Some(now),
        };
        for message in messages {
            if hand_on(message, peer, context).await.is_err() {
                return;
            }
        }
        let share = bytes.len() as f64 / limits.bytes_per_second_max.max(1) as f64;
        let not_before = now + Duration::from_secs_f64(share);
        if not_before > Instant::now() {
            tokio::select! {
                () = stop.told() => break,
                () = sleep_until(not_before) => {}
            }
        }
    }
    for message in frames(context, |sink| framer.finish(sink)) {
        let _ = hand_on(message, peer, context).await;
    }
    let _ = context.queue.send(context.arrival(peer, Payload::End)).await;
}

fn frames(context: &Context, cut: impl FnOnce(&mut dyn FnMut(Frame<'_>))) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    cut(&mut |frame| {
        if matches!(frame, Frame::Cut(_)) {
            count(&context.counters.messages_cut);
        }
        let (Frame::Whole(bytes) | Frame::Cut(bytes)) = frame;
        messages.push(bytes.to_vec());
    });
    messages
}

async fn hand_on(message: Vec<u8>, peer: IpAddr, context: &Context) -> Result<(), ()> {
    let bytes = message.len();
    context
        .queue
        .send(context.arrival(peer, Payload::Syslog(message)))
        .await
        .map_err(|_| ())?;
    context.counters.handed_on(bytes);
    Ok(())
}
