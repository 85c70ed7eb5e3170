// A Java program that stores keys and certificates by way of SunPKCS11, and clones digests in between.
// java Store.java CONFIGURATION KEY CERTIFICATE PIN first|last
// KEY is PKCS#8 in DER; the word says where among the providers SunPKCS11 is.

import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.Security;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.SecretKey;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

public class Store {
    static Provider provider;

    static void check(boolean ok, String what) {
        if (!ok) throw new AssertionError(what);
    }

    // Digests of lengths below and above what SunPKCS11 keeps to itself. Where it cannot clone it says so, and callers do without.
    static void digests() throws Exception {
        for (int n : new int[] {1, 95, 96, 97, 1000}) {
            byte[] data = new byte[n];
            MessageDigest d = MessageDigest.getInstance("SHA-256", provider), software = MessageDigest.getInstance("SHA-256", "SUN");
            for (byte b : data) d.update(b);
            d.update(data);
            software.update(data);
            software.update(data);
            try {
                MessageDigest a = (MessageDigest) d.clone(), b = (MessageDigest) a.clone();
                check(Arrays.equals(a.digest(), ((MessageDigest) software.clone()).digest()), "a clone's digest");
                check(Arrays.equals(b.digest(), ((MessageDigest) software.clone()).digest()), "a clone's clone's digest");
            } catch (CloneNotSupportedException e) {
            }
            check(Arrays.equals(d.digest(), software.digest()), "a digest");
        }
    }

    static void sign(KeyStore store, String alias, Certificate cert) throws Exception {
        Signature s = Signature.getInstance("SHA256withRSA", provider);
        s.initSign((PrivateKey) store.getKey(alias, null));
        s.update(new byte[1000]);
        byte[] signature = s.sign();
        s = Signature.getInstance("SHA256withRSA", "SunRsaSign");
        s.initVerify(cert);
        s.update(new byte[1000]);
        check(s.verify(signature), "a signature");
    }

    public static void main(String[] args) throws Exception {
        provider = Security.getProvider("SunPKCS11").configure(args[0]);
        Security.insertProviderAt(provider, args[4].equals("first") ? 1 : 100);
        KeyStore store = KeyStore.getInstance("PKCS11", provider);
        store.load(null, args[3].toCharArray());
        Certificate cert = CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream(args[2]));
        PrivateKey key = KeyFactory.getInstance("RSA", "SunRsaSign").generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(args[1]))));

        digests();
        store.setKeyEntry("pair", key, null, new Certificate[] {cert});
        digests();
        sign(store, "pair", cert);
        for (int i = 0; i < 3; i++) {
            digests();
            store.setEntry("secret " + i, new KeyStore.SecretKeyEntry(new SecretKeySpec(new byte[16], "AES")), null);
        }
        digests();
        Cipher c = Cipher.getInstance("AES/CBC/NoPadding", provider);
        c.init(Cipher.ENCRYPT_MODE, (SecretKey) store.getKey("secret 1", null), new IvParameterSpec(new byte[16]));
        check(c.doFinal(new byte[32]).length == 32, "an encryption");
        sign(store, "pair", cert);
        store.deleteEntry("secret 0");
        check(store.size() == 3 && store.isKeyEntry("pair") && cert.equals(store.getCertificate("pair")), "what is stored");
        System.out.println("ok");
    }
}
