package jetgate.client;

import io.grpc.Attributes;
import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.Status;
import io.grpc.StatusOr;
import io.grpc.SynchronizationContext;
import io.grpc.SynchronizationContext.ScheduledHandle;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Looks up the gateways' names, and again whenever gRPC asks, as it does when a connection is lost: what was started again may be
 * elsewhere. What a lookup finds is as fresh as the JVM has it.
 */
final class Resolving extends NameResolver {
  // After how long a name that was not found beside others is looked up again, if nothing else asks for that before.
  private static final long AGAIN_SECONDS = 15;

  /** Finds the addresses of a name. */
  interface Lookup {
    InetAddress[] find(String host) throws UnknownHostException;
  }

  /** What all names come to. */
  private record Found(List<EquivalentAddressGroup> places, List<String> missing) {}

  private final List<Target.Address> gateways;
  private final Lookup lookup;
  private final SynchronizationContext context;
  private final Executor executor;
  private final ScheduledExecutorService timer;
  // The context guards these.
  private Listener2 listener;
  private boolean isLooking;
  private boolean isShutDown;
  private ScheduledHandle again;

  Resolving(List<Target.Address> gateways, Lookup lookup, NameResolver.Args args) {
    this.gateways = gateways;
    this.lookup = lookup;
    context = args.getSynchronizationContext();
    executor = args.getOffloadExecutor();
    timer = args.getScheduledExecutorService();
  }

  @Override
  public String getServiceAuthority() {
    return gateways.get(0).host();
  }

  @Override
  public void start(Listener2 listener) {
    this.listener = listener;
    refresh();
  }

  @Override
  public void refresh() {
    if (isLooking || isShutDown) {
      return;
    }
    isLooking = true;
    executor.execute(
        () -> {
          var found = look();
          context.execute(() -> tell(found));
        });
  }

  @Override
  public void shutdown() {
    isShutDown = true;
    if (again != null) {
      again.cancel();
    }
  }

  private Found look() {
    var found = new Found(new ArrayList<>(), new ArrayList<>());
    for (var gateway : gateways) {
      try {
        for (var address : lookup.find(gateway.host())) {
          found.places.add(place(gateway, address));
        }
      } catch (UnknownHostException | RuntimeException problem) {
        found.missing.add(gateway.host() + ": " + problem.getMessage());
      }
    }
    return found;
  }

  /** One of a gateway's addresses. The certificate that is shown there has to be for the name. */
  private static EquivalentAddressGroup place(Target.Address gateway, InetAddress address) {
    var name = Attributes.newBuilder().set(EquivalentAddressGroup.ATTR_AUTHORITY_OVERRIDE, gateway.host()).build();
    return new EquivalentAddressGroup(new InetSocketAddress(address, gateway.port()), name);
  }

  private void tell(Found found) {
    isLooking = false;
    if (isShutDown) {
      return;
    }
    var result = ResolutionResult.newBuilder();
    if (found.places.isEmpty()) {
      // gRPC asks again by itself.
      var why = Status.UNAVAILABLE.withDescription("no gateway's name is found: " + String.join(", ", found.missing));
      listener.onResult2(result.setAddressesOrError(StatusOr.fromStatus(why)).build());
      return;
    }
    listener.onResult2(result.setAddressesOrError(StatusOr.fromValue(found.places)).build());
    if (!found.missing.isEmpty() && (again == null || !again.isPending())) {
      again = context.schedule(this::refresh, AGAIN_SECONDS, TimeUnit.SECONDS, timer);
    }
  }
}
