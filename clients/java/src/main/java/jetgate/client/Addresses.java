package jetgate.client;

import io.grpc.Attributes;
import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.StatusOr;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;

/** Lets a channel have several gateways: "host:port,host:port". */
final class Addresses extends NameResolverProvider {
  static final String SCHEME = "jetgate";

  static {
    NameResolverRegistry.getDefaultRegistry().register(new Addresses());
  }

  static String target(String addresses) {
    return SCHEME + ":///" + addresses;
  }

  @Override
  public NameResolver newNameResolver(URI target, NameResolver.Args args) {
    if (!SCHEME.equals(target.getScheme())) {
      return null;
    }
    var groups = new ArrayList<EquivalentAddressGroup>();
    var hosts = new ArrayList<String>();
    for (var address : target.getPath().substring(1).split(",")) {
      var parsed = URI.create("//" + address.trim());
      if (parsed.getHost() == null || parsed.getPort() < 0) {
        throw new IllegalArgumentException("not host:port: " + address);
      }
      hosts.add(parsed.getHost());
      var authority =
          Attributes.newBuilder().set(EquivalentAddressGroup.ATTR_AUTHORITY_OVERRIDE, parsed.getHost()).build();
      groups.add(new EquivalentAddressGroup(new InetSocketAddress(parsed.getHost(), parsed.getPort()), authority));
    }
    return new Fixed(hosts.get(0), groups);
  }

  @Override
  public String getDefaultScheme() {
    return SCHEME;
  }

  @Override
  protected boolean isAvailable() {
    return true;
  }

  @Override
  protected int priority() {
    return 0; // never the default for targets without a scheme
  }

  private static final class Fixed extends NameResolver {
    private final String authority;
    private final List<EquivalentAddressGroup> groups;

    Fixed(String authority, List<EquivalentAddressGroup> groups) {
      this.authority = authority;
      this.groups = groups;
    }

    @Override
    public String getServiceAuthority() {
      return authority;
    }

    @Override
    public void start(Listener2 listener) {
      listener.onResult(ResolutionResult.newBuilder().setAddressesOrError(StatusOr.fromValue(groups)).build());
    }

    @Override
    public void shutdown() {}
  }
}
