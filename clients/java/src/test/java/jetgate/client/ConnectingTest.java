package jetgate.client;

import static jetgate.client.FaultsTest.createStream;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.NameResolverRegistry;
import io.grpc.Status;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.net.InetAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** How gateways are reached, and found again. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class ConnectingTest {
  private static Client client(String target) {
    return World.patient(Client.builder(target)).build();
  }

  @Test
  void urlsAndLiteralsOfIpv6AreAddresses() throws Exception {
    try (var world = World.of("{\"gateways\": 2}");
        var six = new Forwarder("::1", 0, world.gateways().get(0))) {
      var urls = world.gateways().stream().map("http://"::concat).toList();
      var literal = "[::1]:" + six.port();
      for (var target : new String[] {
        urls.get(0), urls.get(0) + "/", String.join(", ", urls), literal, "http://" + literal,
        literal + "," + world.gateways().get(1), "http://" + literal + "," + urls.get(1)
      }) {
        try (var client = client(target)) {
          client.info();
          client.info(); // of several, the other one
        }
      }
    }
  }

  @Test
  void aUrlOfHttpsIsTls() throws Exception {
    try (var world = World.of("{\"gateways\": 2, \"tls\": true}")) {
      var urls = world.gateways().stream().map("https://"::concat).toList();
      for (var target : new String[] {urls.get(0), String.join(",", urls)}) {
        try (var client = World.patient(Client.builder(target).ca(new File(world.caFile()))).build()) {
          client.info();
        }
        // The system's authorities know nothing of this one.
        try (var stranger = client(target)) {
          var refused = assertThrows(JetgateException.class, stranger::info);
          assertTrue(refused.getMessage().toLowerCase().contains("certificat"), refused.toString());
        }
      }
    }
  }

  @Test
  void aCertificateSaysWhoCalls(@TempDir Path folder) throws Exception {
    var make = "import pathlib, sys; import certificates; certificates.make(pathlib.Path(sys.argv[1]))";
    var python = new ProcessBuilder("python3", "-c", make, folder.toString()).directory(World.SCENARIOS.toFile());
    assertEquals(0, python.inheritIO().start().waitFor());
    var start = "{\"tls\": true, \"config\": {\"tls.client_ca_file\": \"" + folder.resolve("ca.pem") + "\"}}";
    try (var world = World.of(start)) {
      var gateway = new File(world.caFile());
      var certificate = folder.resolve("tls.pem").toFile();
      var credentials =
          TlsChannelCredentials.newBuilder()
              .trustManager(gateway)
              .keyManager(certificate, folder.resolve("tls.key").toFile())
              .build();
      var target = "https://" + world.gateways().get(0);
      try (var client = World.patient(Client.builder(target).credentials(credentials)).build()) {
        createStream(client);
        assertEquals(1, client.publish(Message.of("users.new", "one")).sequence());
      }
      try (var stranger = Client.builder(target).ca(gateway).build()) {
        assertThrows(JetgateException.class, stranger::info);
      }
    }
  }

  @Test
  void aGatewayThatIsElsewhereIsFoundByItsName() throws Exception {
    var place = new AtomicReference<>("127.0.0.2");
    var addresses = new Addresses("moving", host -> InetAddress.getAllByName(place.get()));
    try (var world = World.of("{}");
        var before = new Forwarder("127.0.0.2", 0, world.gateways().get(0));
        var after = new Forwarder("127.0.0.3", before.port(), world.gateways().get(0))) {
      NameResolverRegistry.getDefaultRegistry().register(addresses);
      try (var client = client("moving:///gateway.test:" + after.port())) {
        createStream(client);
        place.set("127.0.0.3");
        before.close();
        assertEquals(1, client.publish(Message.of("users.new", "one")).sequence());
      } finally {
        NameResolverRegistry.getDefaultRegistry().deregister(addresses);
      }
    }
  }

  /** Ways to use a gateway, each of which tries again by itself, or by the program. */
  private enum Use {
    PUBLISHER {
      @Override
      void of(Client client) throws Exception {
        try (var publisher = client.publisher()) {
          publisher.publish(Message.of("users.new", "one")).get();
        }
      }
    },
    PUBLISH {
      @Override
      void of(Client client) {
        client.publish(Message.of("users.new", "one"));
      }
    },
    CALL {
      @Override
      void of(Client client) {
        for (var isDone = false; !isDone; ) {
          try {
            client.info();
            isDone = true;
          } catch (JetgateException failed) {
            assertEquals(Status.Code.UNAVAILABLE, failed.code());
          }
        }
      }
    };

    abstract void of(Client client) throws Exception;
  }

  @ParameterizedTest
  @EnumSource
  void aGatewayThatIsBackIsFoundSoonHoweverLongItWasAway(Use use) throws Exception {
    try (var world = World.of("{}");
        var near = world.connect();
        var forwarder = Forwarder.before(world.gateways().get(0));
        var client = Client.builder(forwarder.address()).callTimeout(Duration.ofMinutes(2)).build()) {
      createStream(near);
      forwarder.refuse();
      var used =
          CompletableFuture.runAsync(
              () -> {
                try {
                  use.of(client);
                } catch (Exception failed) {
                  throw new CompletionException(failed);
                }
              });
      // gRPC by itself would be at pauses of minutes by then.
      forwarder.awaitRefused(12);
      forwarder.goOn();
      used.get(30, TimeUnit.SECONDS);
    }
  }
}
