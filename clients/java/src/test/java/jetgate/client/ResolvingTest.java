package jetgate.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.Status;
import io.grpc.StatusOr;
import io.grpc.SynchronizationContext;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Delayed;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Looks names up in a list of the test's own; all runs in the test's thread, when the test says so. */
class ResolvingTest {
  private final Map<String, List<String>> names = new HashMap<>();
  private final ArrayDeque<Runnable> offloaded = new ArrayDeque<>();
  private final ArrayDeque<StatusOr<List<EquivalentAddressGroup>>> results = new ArrayDeque<>();
  private final ScheduledThreadPoolExecutor timer = new ScheduledThreadPoolExecutor(1);
  private final SynchronizationContext context =
      new SynchronizationContext(
          (thread, problem) -> {
            throw new AssertionError(problem);
          });
  private final NameResolver.Listener2 listener =
      new NameResolver.Listener2() {
        @Override
        public Status onResult2(NameResolver.ResolutionResult result) {
          context.throwIfNotInThisSynchronizationContext();
          results.add(result.getAddressesOrError());
          return Status.OK;
        }

        @Override
        public void onResult(NameResolver.ResolutionResult result) {
          throw new AssertionError("it is not told in the context");
        }

        @Override
        public void onError(Status error) {
          throw new AssertionError("it is not told in the context");
        }
      };

  @AfterEach
  void end() {
    timer.shutdownNow();
  }

  private NameResolver begin(String gateways) {
    var args =
        NameResolver.Args.newBuilder()
            .setDefaultPort(80)
            .setProxyDetector(address -> null)
            .setSynchronizationContext(context)
            .setScheduledExecutorService(timer)
            .setOffloadExecutor(offloaded::add)
            .setServiceConfigParser(
                new NameResolver.ServiceConfigParser() {
                  @Override
                  public NameResolver.ConfigOrError parseServiceConfig(Map<String, ?> config) {
                    throw new AssertionError("there is none");
                  }
                })
            .build();
    var resolver = new Addresses("test", this::find).newNameResolver(URI.create("test:///" + gateways), args);
    context.execute(() -> resolver.start(listener));
    return resolver;
  }

  private InetAddress[] find(String host) throws UnknownHostException {
    var found = names.get(host);
    if (found == null) {
      throw new UnknownHostException("nobody knows it");
    }
    var addresses = new InetAddress[found.size()];
    for (var i = 0; i < addresses.length; i++) {
      addresses[i] = InetAddress.getByName(found.get(i)); // a literal
    }
    return addresses;
  }

  /** What the lookup that was begun comes to: "name ip:port" of each place. */
  private List<String> places() {
    return result().getValue().stream().map(ResolvingTest::place).toList();
  }

  private StatusOr<List<EquivalentAddressGroup>> result() {
    assertEquals(1, offloaded.size());
    offloaded.poll().run();
    assertEquals(1, results.size());
    return results.poll();
  }

  private static String place(EquivalentAddressGroup group) {
    var address = (InetSocketAddress) group.getAddresses().get(0);
    var name = group.getAttributes().get(EquivalentAddressGroup.ATTR_AUTHORITY_OVERRIDE);
    return name + " " + address.getAddress().getHostAddress() + ":" + address.getPort();
  }

  @Test
  void namesAreLookedUpAgainAndMayHaveSeveralAddresses() {
    names.put("a", List.of("10.0.0.1"));
    names.put("b", List.of("10.0.0.2", "10.0.0.3"));
    var resolver = begin("a:1,b:2");
    assertEquals(List.of("a 10.0.0.1:1", "b 10.0.0.2:2", "b 10.0.0.3:2"), places());
    assertEquals("a", resolver.getServiceAuthority());
    names.put("a", List.of("10.0.0.9"));
    names.put("b", List.of("10.0.0.3"));
    context.execute(resolver::refresh);
    context.execute(resolver::refresh); // which is the same lookup
    assertEquals(List.of("a 10.0.0.9:1", "b 10.0.0.3:2"), places());
    assertTrue(timer.getQueue().isEmpty());
  }

  @Test
  void aNameThatIsNotFoundIsMissedAndLookedUpAgain() {
    names.put("b", List.of("10.0.0.2"));
    begin("a:1,b:2");
    assertEquals(List.of("b 10.0.0.2:2"), places());
    names.put("a", List.of("10.0.0.1"));
    var again = timer.getQueue().peek();
    assertTrue(((Delayed) again).getDelay(TimeUnit.SECONDS) <= 15);
    again.run();
    assertEquals(List.of("a 10.0.0.1:1", "b 10.0.0.2:2"), places());
  }

  @Test
  void withoutAnyNameItSaysWhy() {
    var resolver = begin("a:1,b:2");
    var status = result().getStatus();
    assertEquals(Status.Code.UNAVAILABLE, status.getCode());
    assertTrue(status.getDescription().contains("a: nobody knows it, b: nobody knows it"), status.toString());
    names.put("b", List.of("10.0.0.2"));
    context.execute(resolver::refresh);
    assertEquals(List.of("b 10.0.0.2:2"), places());
  }

  @Test
  void afterItsEndItSaysNothing() {
    var resolver = begin("a:1");
    context.execute(resolver::shutdown);
    offloaded.poll().run();
    assertTrue(results.isEmpty());
    context.execute(resolver::refresh);
    assertTrue(offloaded.isEmpty());
  }
}
