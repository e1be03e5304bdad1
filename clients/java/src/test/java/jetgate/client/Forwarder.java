package jetgate.client;

import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

/** Stands before a gateway and passes connections on, until it is told to break and refuse them. */
final class Forwarder implements AutoCloseable {
  private final ServerSocket server;
  private final Target.Address gateway;
  private final List<Socket> open = new ArrayList<>();
  private boolean refuses;
  private int refused;

  /** Listens on a port of this address, 0 is any, before this gateway. */
  Forwarder(String host, int port, String gateway) throws IOException {
    server = new ServerSocket(port, 50, InetAddress.getByName(host));
    this.gateway = Target.Address.of(gateway);
    run(this::accept);
  }

  static Forwarder before(String gateway) throws IOException {
    return new Forwarder("127.0.0.1", 0, gateway);
  }

  int port() {
    return server.getLocalPort();
  }

  String address() {
    return "127.0.0.1:" + port();
  }

  /** Breaks what is connected and takes nothing more. */
  synchronized void refuse() {
    refuses = true;
    refused = 0;
    open.forEach(Forwarder::close);
    open.clear();
  }

  synchronized void goOn() {
    refuses = false;
  }

  /** Waits until so many connections have been refused since it began to. */
  synchronized void awaitRefused(int count) throws InterruptedException {
    while (refused < count) {
      wait();
    }
  }

  @Override
  public void close() {
    refuse();
    close(server);
  }

  private void accept() throws IOException {
    while (true) {
      take(server.accept());
    }
  }

  private synchronized void take(Socket caller) throws IOException {
    if (refuses) {
      caller.close();
      refused++;
      notifyAll();
      return;
    }
    var onwards = new Socket(gateway.host(), gateway.port());
    open.addAll(List.of(caller, onwards));
    run(() -> pass(caller, onwards));
    run(() -> pass(onwards, caller));
  }

  private static void pass(Socket from, Socket to) throws IOException {
    try (from; to) {
      from.getInputStream().transferTo(to.getOutputStream());
    }
  }

  private interface Act {
    void run() throws IOException;
  }

  /** Runs it in a thread of its own, until a socket is closed. */
  private static void run(Act act) {
    var thread = new Thread(() -> {
      try {
        act.run();
      } catch (IOException closed) {
        // There is nothing more to do.
      }
    }, "forwarder");
    thread.setDaemon(true);
    thread.start();
  }

  private static void close(Closeable socket) {
    try {
      socket.close();
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }
}
