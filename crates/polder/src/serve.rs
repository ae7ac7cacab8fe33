//! `polder serve`: the TAXII listener and the control socket, until told to stop.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use polder_taxii::{Access, Settings, router};
use serde_json::{Value, json};

use crate::admit::{Admit, limit_heads};
use crate::config::{ADDRESS_HELP, is_address};
use crate::control;
use crate::failure::{Failure, file_failure};
use crate::node::Node;
use crate::tls;

/// Flags that override the settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    pub(crate) listen: Option<String>,
    pub(crate) plain_http: bool,
    pub(crate) until_stdin_closes: bool,
}

/// Opens the node and serves it; `ready` hears the addresses once everything answers.
pub(crate) fn serve(dir: &Path, flags: &Flags, ready: impl FnOnce(&Value)) -> Result<(), Failure> {
    let started = Instant::now();
    if let Some(listen) = flags.listen.as_deref().filter(|l| !is_address(l)) {
        return Err(Failure::usage(format!("`{listen}` is no address to listen on"), ADDRESS_HELP));
    }
    let mut node = Node::open(dir, false)?;
    override_settings(&mut node, flags);
    if !node.config.plain_http {
        tls::make_if_none(dir, &node.config)?;
    }
    let node = Arc::new(node);
    let listener = bind(&node.config.listen)?;
    let address = listener.local_addr().map_err(|e| Failure::configuration(format!("cannot listen: {e}"), "check `listen`"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::configuration(format!("cannot start: {e}"), "look at the system's limits for threads"))?;
    runtime.block_on(run(node, listener, (address, started), flags.until_stdin_closes, ready))
}

/// Flags hold over the settings, and `config show` says so.
fn override_settings(node: &mut Node, flags: &Flags) {
    let mut over = Vec::new();
    if let Some(listen) = &flags.listen {
        node.config.listen.clone_from(listen);
        over.push(("listen", toml::Value::from(listen.as_str()).to_string()));
    }
    if flags.plain_http {
        node.config.plain_http = true;
        over.push(("plain_http", true.to_string()));
    }
    for (key, value) in over {
        node.origins.retain(|(k, _, _)| k != key);
        node.origins.push((key.to_owned(), value, "flag".to_owned()));
    }
    node.origins.sort();
}

fn bind(listen: &str) -> Result<TcpListener, Failure> {
    let fail = |e: std::io::Error| {
        let help = match e.kind() {
            std::io::ErrorKind::AddrInUse => "another program listens there: stop it, or choose another with --listen or `listen` in polder.toml",
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher one",
            _ => "check `listen`: it is ADDRESS:PORT",
        };
        Failure::configuration(format!("cannot listen on `{listen}`: {e}"), help)
    };
    let listener = TcpListener::bind(listen).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    Ok(listener)
}

async fn run(
    node: Arc<Node>,
    listener: TcpListener,
    (address, started): (SocketAddr, Instant),
    until_stdin_closes: bool,
    ready: impl FnOnce(&Value),
) -> Result<(), Failure> {
    let scheme = if node.config.plain_http { "http" } else { "https" };
    let base = node.config.base_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
    let settings = Settings {
        api_root: "api".to_owned(),
        base_url: base.clone(),
        page_objects_default: node.config.page_objects_default,
        page_objects_max: node.config.page_objects_max,
        content_bytes_max: node.config.content_bytes_max,
    };
    let access: Arc<dyn Access> = Arc::clone(&node) as Arc<dyn Access>;
    let misp = polder_misp::server::router(Arc::clone(&node.store), Arc::clone(&node) as Arc<dyn polder_misp::server::Access>, node.config.content_bytes_max);
    let taxii = router(Arc::clone(&node.store), access, settings);
    let desk = Arc::clone(&node) as Arc<dyn polder_console::desk::Desk>;
    let pages = polder_console::Settings { content_bytes_max: node.config.content_bytes_max, secure: base.starts_with("https://") };
    let no_randomness = || Failure::configuration("no randomness", "look at the system log");
    let console = polder_console::router(Arc::clone(&node.store), desk, pages).ok_or_else(no_randomness)?;
    // The console answers below /console, and a browser that names nothing is led there.
    let lead = axum::routing::get(|| async { axum::response::Redirect::to("/console/objects") });
    let app = axum::Router::new().route("/", lead).merge(console).nest_service("/misp", misp).fallback_service(taxii);
    let tls = if node.config.plain_http { None } else { Some(tls_config(&node).await?) };
    let control = tokio::spawn(control::serve(&node)?);
    let handle = axum_server::Handle::new();
    let stopping = handle.clone();
    tokio::spawn(async move {
        if until_stdin_closes {
            tokio::select! {
                () = stop_signal() => {}
                () = stdin_closed() => {}
            }
        } else {
            stop_signal().await;
        }
        stopping.graceful_shutdown(Some(std::time::Duration::from_secs(2)));
    });
    let collection = node.directory().collections.collections.first().map(|c| c.id.clone());
    let seconds = (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    ready(
        &json!({"taxii": format!("{base}/taxii2/"), "api_root": format!("{base}/api/"), "misp": format!("{base}/misp/"), "console": format!("{base}/console/"), "collection": collection, "ready_s": seconds}),
    );
    let failed = |e: std::io::Error| Failure::configuration(format!("the listener ended: {e}"), "look at the system log");
    let service = app.into_make_service();
    let admit = Admit::new();
    let result = match tls {
        None => {
            let mut server = axum_server::from_tcp(listener).map_err(failed)?.acceptor(admit).handle(handle);
            limit_heads(server.http_builder());
            server.serve(service).await
        }
        Some(tls) => {
            let acceptor = axum_server::tls_rustls::RustlsAcceptor::new(tls).acceptor(admit);
            let mut server = axum_server::from_tcp(listener).map_err(failed)?.acceptor(acceptor).handle(handle);
            limit_heads(server.http_builder());
            server.serve(service).await
        }
    };
    control.abort();
    result.map_err(failed)
}

async fn tls_config(node: &Node) -> Result<axum_server::tls_rustls::RustlsConfig, Failure> {
    // Already installed is as good.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let (cert, key) = (node.dir.join(&node.config.tls_cert), node.dir.join(&node.config.tls_key));
    axum_server::tls_rustls::RustlsConfig::from_pem_file(&cert, &key).await.map_err(|e| file_failure(&cert, "use as a certificate", &e))
}

async fn stdin_closed() {
    let waited = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
    drop(waited.await);
}

pub(crate) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}
