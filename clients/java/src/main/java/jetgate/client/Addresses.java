package jetgate.client;

import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import java.net.InetAddress;
import java.net.URI;
import java.util.Arrays;

/** Lets a channel have several gateways: "host:port,host:port". */
final class Addresses extends NameResolverProvider {
  private static final String SCHEME = "jetgate";

  static {
    NameResolverRegistry.getDefaultRegistry().register(new Addresses(SCHEME, InetAddress::getAllByName));
  }

  private final String scheme;
  private final Resolving.Lookup lookup;

  /** For targets of this scheme, whose names are looked up so. */
  Addresses(String scheme, Resolving.Lookup lookup) {
    this.scheme = scheme;
    this.lookup = lookup;
  }

  /** The scheme of such targets. Whoever asks for it has made it known to gRPC. */
  static String scheme() {
    return SCHEME;
  }

  @Override
  public NameResolver newNameResolver(URI target, NameResolver.Args args) {
    if (!scheme.equals(target.getScheme())) {
      return null;
    }
    var gateways = Arrays.stream(target.getPath().substring(1).split(",")).map(Target.Address::of).toList();
    return new Resolving(gateways, lookup, args);
  }

  @Override
  public String getDefaultScheme() {
    return scheme;
  }

  @Override
  protected boolean isAvailable() {
    return true;
  }

  @Override
  protected int priority() {
    return 0; // never the default for targets without a scheme
  }
}
