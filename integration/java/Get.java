import java.io.FileInputStream;
import java.net.ProxySelector;
import java.net.Authenticator;
import java.net.InetSocketAddress;
import java.net.PasswordAuthentication;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * GETs a URL with java.net.http and prints the protocol and the body; then POSTs to it ten times at once.
 *
 * <pre>java Get.java URL [PROXY-HOST:PORT CA-FILE [USER PASSWORD]]</pre>
 *
 * Without a proxy named, the JVM's own properties decide: https.proxyHost, javax.net.ssl.trustStore.
 */
class Get {
    public static void main(String[] args) throws Exception {
        URI uri = URI.create(args[0]);
        HttpClient client = client(args);
        var request = HttpRequest.newBuilder(uri).timeout(Duration.ofSeconds(30));
        var answer = client.send(request.GET().build(), BodyHandlers.ofString());
        System.out.println(answer.version() + " " + answer.body().strip());
        if (answer.statusCode() != 200) System.exit(1);

        var posts = IntStream.range(0, 10)
            .mapToObj(i -> client.sendAsync(request.POST(BodyPublishers.ofString("{\"n\":" + i + "}")).build(), BodyHandlers.ofString()))
            .toList();
        CompletableFuture.allOf(posts.toArray(CompletableFuture[]::new)).join();
        for (var post : posts)
            if (post.join().statusCode() != 200) throw new IllegalStateException("POST: " + post.join());
    }

    static HttpClient client(String[] args) throws Exception {
        if (args.length < 3) return HttpClient.newHttpClient();
        String[] proxy = args[1].split(":");
        var builder = HttpClient.newBuilder()
            .proxy(ProxySelector.of(new InetSocketAddress(proxy[0], Integer.parseInt(proxy[1]))))
            .sslContext(trusting(args[2]));
        if (args.length == 5)
            builder.authenticator(new Authenticator() {
                @Override
                protected PasswordAuthentication getPasswordAuthentication() {
                    return new PasswordAuthentication(args[3], args[4].toCharArray());
                }
            });
        return builder.build();
    }

    static SSLContext trusting(String file) throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var in = new FileInputStream(file)) {
            int i = 0;
            for (var cert : CertificateFactory.getInstance("X.509").generateCertificates(in))
                store.setCertificateEntry("ca" + i++, cert);
        }
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
