package jetgate.client;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * Where the gateways are, as a program says it.
 *
 * @param name what gRPC takes
 * @param scheme how all gateways are reached: "http" or "https"; empty where that is not said
 */
record Target(String name, String scheme) {
  private static final String HTTP = "http";
  private static final String HTTPS = "https";

  /** A gateway. A literal of IPv6 is in brackets. */
  record Address(String host, int port) {
    /** Reads "host:port". */
    static Address of(String text) {
      return of(text, uri(text, "//" + text));
    }

    private static Address of(String text, URI uri) {
      var says = uri.getUserInfo() == null && uri.getQuery() == null && uri.getFragment() == null;
      var isOrigin = says && (uri.getPath().isEmpty() || uri.getPath().equals("/"));
      if (!isOrigin || uri.getHost() == null || uri.getPort() < 0) {
        throw malformed(text, null);
      }
      return new Address(uri.getHost(), uri.getPort());
    }

    @Override
    public String toString() {
      return host + ":" + port;
    }
  }

  /** Reads addresses, separated by commas, or one target of another kind that gRPC knows. */
  static Target of(String text) {
    var parts = Arrays.stream(text.split(",")).map(String::trim).filter(part -> !part.isEmpty()).toList();
    if (parts.isEmpty()) {
      throw new IllegalArgumentException("there is no address of a gateway");
    }
    var schemes = parts.stream().map(Target::schemeOf).distinct().toList();
    if (schemes.size() > 1) {
      var rule = "all addresses begin with http://, or all with https://, or none with either: ";
      throw new IllegalArgumentException(rule + text);
    }
    var scheme = schemes.get(0);
    if (parts.size() == 1) {
      // What has no scheme may be a target of another kind.
      return new Target(scheme.isEmpty() ? parts.get(0) : named("dns", parts, scheme), scheme);
    }
    return new Target(named(Addresses.scheme(), parts, scheme), scheme);
  }

  /** The credentials of a channel: those that are given, which the scheme must not gainsay, or what the scheme asks for. */
  ChannelCredentials credentials(ChannelCredentials given) {
    if (given == null) {
      return scheme.equals(HTTPS) ? TlsChannelCredentials.create() : InsecureChannelCredentials.create();
    }
    var isPlain = given.withoutBearerTokens() instanceof InsecureChannelCredentials;
    if (scheme.equals(HTTP) && !isPlain) {
      throw new IllegalArgumentException("http:// is plain text, and TLS is asked for: use https://");
    }
    if (scheme.equals(HTTPS) && isPlain) {
      throw new IllegalArgumentException("https:// is TLS, and the credentials are plain text: use http://");
    }
    return given;
  }

  private static String named(String resolver, List<String> parts, String scheme) {
    var addresses = parts.stream().map(part -> address(part, scheme).toString()).collect(Collectors.joining(","));
    try {
      return new URI(resolver, "", "/" + addresses, null).toString(); // which escapes the brackets
    } catch (URISyntaxException impossible) {
      throw malformed(addresses, impossible);
    }
  }

  private static Address address(String part, String scheme) {
    return scheme.isEmpty() ? Address.of(part) : Address.of(part, uri(part, part));
  }

  private static String schemeOf(String part) {
    var end = part.indexOf("://");
    var scheme = end < 0 ? "" : part.substring(0, end).toLowerCase(Locale.ROOT);
    return scheme.equals(HTTP) || scheme.equals(HTTPS) ? scheme : "";
  }

  private static URI uri(String text, String written) {
    try {
      return new URI(written);
    } catch (URISyntaxException wrong) {
      throw malformed(text, wrong);
    }
  }

  private static IllegalArgumentException malformed(String text, Throwable cause) {
    return new IllegalArgumentException("not host:port, http://host:port or https://host:port: " + text, cause);
  }
}
