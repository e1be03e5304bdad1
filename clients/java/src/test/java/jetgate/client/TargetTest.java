package jetgate.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.InsecureChannelCredentials;
import io.grpc.TlsChannelCredentials;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How addresses are read: no I/O. */
class TargetTest {
  @ParameterizedTest
  @CsvSource(delimiter = '|', textBlock = """
      a.example:1                         |       | a.example:1
      ' [::1]:1 '                         |       | [::1]:1
      a.example:1,                        |       | a.example:1
      http://a.example:1                  | http  | dns:///a.example:1
      HTTPS://a.example:1/                | https | dns:///a.example:1
      https://[::1]:1                     | https | dns:///%5B::1%5D:1
      'a:1, b:2'                          |       | jetgate:///a:1,b:2
      'http://a:1,http://[::1]:2'         | http  | jetgate:///a:1,%5B::1%5D:2
      'https://a:1/,https://b:2'          | https | jetgate:///a:1,b:2
      '[::1]:1,a:2'                       |       | jetgate:///%5B::1%5D:1,a:2
      dns:///jetgate.example:443          |       | dns:///jetgate.example:443
      """)
  void addresses(String text, String scheme, String name) {
    assertEquals(new Target(name, scheme == null ? "" : scheme), Target.of(text));
  }

  @ParameterizedTest
  @ValueSource(strings = {
    "", " , ", "a:1,http://b:2", "http://a:1,https://b:2", "a,b", "a:1,b:x", "http://a", "http://a:1/path", "http://a:1?q",
    "http://user@a:1", "http://", "a:1,dns:///b:2"
  })
  void whatIsNoAddress(String text) {
    assertThrows(IllegalArgumentException.class, () -> Target.of(text));
    assertThrows(IllegalArgumentException.class, () -> Client.builder(text).build());
  }

  @Test
  void theSchemeAndTheCredentialsAgree() {
    var plain = InsecureChannelCredentials.create();
    var encrypted = TlsChannelCredentials.create();
    assertInstanceOf(InsecureChannelCredentials.class, Target.of("a:1").credentials(null));
    assertInstanceOf(InsecureChannelCredentials.class, Target.of("http://a:1").credentials(null));
    assertInstanceOf(TlsChannelCredentials.class, Target.of("https://a:1").credentials(null));
    assertSame(encrypted, Target.of("a:1").credentials(encrypted));
    assertSame(encrypted, Target.of("https://a:1").credentials(encrypted));
    assertSame(plain, Target.of("http://a:1").credentials(plain));
    assertThrows(IllegalArgumentException.class, () -> Client.builder("http://a:1").tls().build());
    assertThrows(IllegalArgumentException.class, () -> Client.builder("https://a:1").credentials(plain).build());
  }
}
