//! Async daemons by the attributes. `SUBJECT_VARIANT` names the function.

use std::env;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use daemonic::{Context, Event, Invocation, daemon, repeat_daemon};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

fn main() -> ExitCode {
    let action = env::args().nth(1);
    let result = match env::var("SUBJECT_VARIANT").expect("a variant").as_str() {
        "multi_thread" => multi_thread(action),
        "current_thread" => current_thread(action),
        "multi_thread_inside" => multi_thread_inside(action),
        "current_thread_inside" => current_thread_inside(action),
        "plain" => plain(action, "made before the fork".into()),
        "tick" => tick(action),
        "tick_current_thread" => tick_current_thread(action),
        "limited" => limited(action),
        // With options, as `next 3` has them.
        "scheduled" => scheduled(Invocation::from_args(env::args().skip(1))),
        "scheduled_context" => scheduled_context(Invocation::from_args(env::args().skip(1))),
        "failing" => failing(action),
        "graceful_signals" => graceful_signals(action),
        "plain_signals" => plain_signals(action),
        "sleepless" => sleepless(action),
        "reactor" => reactor(action),
        "late" => late(action),
        "deaf" => deaf(action),
        "picky" => picky(action),
        "hanging" => hanging(action),
        variant => panic!("no such variant: {variant}"),
    };
    daemonic::report(result)
}

fn path(key: &str) -> String {
    env::var(format!("SUBJECT_{key}")).expect("a path")
}

#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"), wait_ready = "10s")]
#[tokio::main]
async fn multi_thread(context: Context) -> Result<()> {
    serve(context).await
}

#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"), wait_ready = "10s")]
#[tokio::main(flavor = "current_thread")]
async fn current_thread(context: Context) -> Result<()> {
    serve(context).await
}

#[tokio::main]
#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"), wait_ready = "10s")]
async fn multi_thread_inside(context: Context) -> Result<()> {
    serve(context).await
}

#[tokio::main(flavor = "current_thread")]
#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"), wait_ready = "10s")]
async fn current_thread_inside(context: &Context) -> Result<()> {
    serve(context.clone()).await
}

/// Answers each line of each connection, while a hundred tasks wait for the stop.
async fn serve(context: Context) -> Result<()> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    println!("address {}", listener.local_addr()?);
    let mut waiters = JoinSet::new();
    for number in 0..100 {
        let context = context.clone();
        waiters.spawn(async move {
            if number % 2 == 0 {
                context.stopped().await;
                return true;
            }
            while context.event().await == Event::Reload {
                println!("reloaded");
            }
            true
        });
    }
    context.ready();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => connections.spawn(answer(accepted?.0)),
            () = context.stopped() => break,
        };
    }
    println!("waiters {}", waiters.join_all().await.len());
    println!("connections {}", connections.join_all().await.len());
    Ok(())
}

/// Answers the line `timer` after a timer, `blocking` from another thread, any other line at once.
async fn answer(mut stream: TcpStream) -> Result<()> {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        match line.as_str() {
            "timer" => sleep(Duration::from_millis(2)).await,
            "blocking" => {
                let here = std::thread::current().id();
                let other = spawn_blocking(|| std::thread::current().id()).await?;
                anyhow::ensure!(here != other, "the same thread");
            }
            _ => {}
        }
        writer.write_all(format!("{line} done\n").as_bytes()).await?;
    }
    Ok(())
}

#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"))]
#[tokio::main]
async fn plain(parameter: String) {
    print!("{}", parameter + "\n");
    loop {
        sleep(Duration::from_millis(1)).await;
        println!("tick");
        sleep(Duration::from_secs(3600)).await;
    }
}

#[repeat_daemon(name = "subject", every = "1ms", times = 3, pidfile = path("PIDFILE"), stdout = path("STDOUT"))]
#[tokio::main]
async fn tick() -> Result<()> {
    sleep(Duration::from_millis(1)).await;
    println!("tick {}", spawn_blocking(|| "tock").await?);
    Ok(())
}

/// Waits in each run until the time of the run is over.
#[repeat_daemon(
    name = "subject", every = "1ms", times = 3, run_timeout = "500ms", on_error = "continue", pidfile = path("PIDFILE"),
    stdout = path("STDOUT")
)]
#[tokio::main(flavor = "current_thread")]
async fn limited(context: &Context) {
    println!("begin {}", context.is_stopping());
    if context.event().await == Event::Stop {
        println!("end {}", context.is_stopping());
    }
}

/// Prints the time of day.
#[repeat_daemon(name = "subject", cron = path("CRON"), pidfile = path("PIDFILE"), stdout = path("STDOUT"))]
#[tokio::main]
async fn scheduled() -> Result<()> {
    println!("ran at {}", spawn_blocking(seconds).await?);
    Ok(())
}

/// Prints the time of day. With `SUBJECT_WAIT`, waits then until the time of the run is over.
#[tokio::main(flavor = "current_thread")]
#[repeat_daemon(
    name = "subject", cron = path("CRON"), run_timeout = "500ms", on_error = "continue", pidfile = path("PIDFILE"),
    stdout = path("STDOUT")
)]
async fn scheduled_context(context: &Context) {
    println!("ran at {}", seconds());
    if env::var_os("SUBJECT_WAIT").is_some() {
        context.stopped().await;
        println!("stopping {}", context.is_stopping());
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_secs()
}

#[tokio::main(flavor = "current_thread")]
#[repeat_daemon(name = "subject", every = "1ms", pidfile = path("PIDFILE"), stdout = path("STDOUT"))]
async fn tick_current_thread(context: &Context) {
    println!("tick");
    // A stop during a run lets the run finish.
    context.stopped().await;
    sleep(Duration::from_millis(1)).await;
    println!("tock");
}

#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"), wait_ready = "10s")]
#[tokio::main]
async fn failing(context: &Context) -> Result<()> {
    let read = || std::fs::read_to_string("/no/such/file").context("cannot read the settings");
    let Err(error) = spawn_blocking(read).await? else { bail!("it can be read") };
    println!("stopping {}", context.is_stopping());
    Err(error.context("cannot begin"))
}

/// `tokio::signal` and the context receive the same signals.
#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"), wait_ready = "10s")]
#[tokio::main]
async fn graceful_signals(context: &Context) -> Result<()> {
    let (mut hangup, mut terminate) = (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?);
    context.ready();
    hangup.recv().await;
    println!("tokio heard a hangup, the context {:?}", context.event().await);
    terminate.recv().await;
    println!("tokio heard a stop, the context {:?}", context.event().await);
    Ok(())
}

/// A body without a context that receives the stop by `tokio::signal` ends as it likes.
#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"))]
#[tokio::main]
async fn plain_signals() -> Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening");
    terminate.recv().await;
    println!("tokio heard a stop");
    Ok(ExitCode::from(7))
}

/// Fails to reload every other time.
#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"))]
#[tokio::main]
async fn picky(context: &Context) {
    let mut reloads = 0;
    while context.event().await == Event::Reload {
        reloads += 1;
        context.reloaded(if reloads % 2 == 1 { Err(format!("reload {reloads}")) } else { Ok(()) });
    }
}

/// Waits in a runtime that has neither timers nor I/O.
#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"), wait_ready = "10s")]
fn sleepless(context: &Context) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        context.ready();
        println!("{:?}", context.event().await);
        context.reloaded(Ok::<_, String>(()));
        context.stopped().await;
        context.stopped().await;
        println!("{:?} {:?}", context.event().await, context.event().await);
    });
    // Another runtime, after the stop.
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    runtime.block_on(context.stopped());
    println!("stopped");
    Ok(())
}

/// Passes the descriptor to tokio's reactor.
#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"), wait_ready = "10s")]
#[tokio::main]
#[allow(unsafe_code, reason = "tokio wants to be told that a descriptor stays open")]
async fn reactor(context: &Context) -> Result<()> {
    // SAFETY: the context, which outlives this, keeps the descriptor open.
    let pipe = unsafe { AsyncFd::register_with_interest(context.as_fd(), Interest::READABLE) };
    let pipe = pipe.map_err(|error| anyhow::anyhow!("{error}"))?;
    let early = timeout(Duration::ZERO, pipe.readable()).await.is_ok();
    context.ready();
    let _guard = pipe.readable().await?;
    println!("readable early {early}, stopping {}", context.is_stopping());
    Ok(())
}

/// Becomes ready in a task, when the file `go` exists.
#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"), wait_ready = "10s")]
#[tokio::main]
async fn late(context: &Context) {
    println!("getting ready");
    let clone = context.clone();
    tokio::spawn(async move {
        while !std::path::Path::new(&path("GO")).exists() {
            sleep(Duration::from_millis(1)).await;
        }
        clone.ready();
    });
    context.stopped().await;
}

/// Blocks its only thread until the file `go` exists, while a task waits.
#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"))]
#[tokio::main(flavor = "current_thread")]
async fn hanging(context: &Context) {
    let clone = context.clone();
    let waiter = tokio::spawn(async move { clone.stopped().await });
    tokio::task::yield_now().await;
    println!("hanging");
    while !std::path::Path::new(&path("GO")).exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    waiter.await.expect("a task that ends");
}

/// Never uses its context.
#[daemon(name = "subject", pidfile = path("PIDFILE"), stdout = path("STDOUT"), stop_timeout = "50ms")]
#[tokio::main]
async fn deaf(_context: &Context) {
    println!("deaf");
    std::future::pending::<()>().await;
}
