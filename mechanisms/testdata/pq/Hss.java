// Writes hss.rec: signatures of HSS as Bouncy Castle makes them. With its jar (Debian: libbcprov-java):
// java -cp bcprov.jar Hss.java > hss.rec
import java.lang.reflect.Field;
import java.security.SecureRandom;
import java.util.*;
import org.bouncycastle.crypto.AsymmetricCipherKeyPair;
import org.bouncycastle.pqc.crypto.lms.*;
import org.bouncycastle.util.encoders.Hex;

public class Hss {
    // Always the same bytes.
    static class Fixed extends SecureRandom {
        int n = 1;
        public void nextBytes(byte[] b) { for (int i = 0; i < b.length; i++) b[i] = (byte) (n++ * 7); }
    }

    static void record(int signatures, LMSParameters... levels) throws Exception {
        HSSKeyPairGenerator generator = new HSSKeyPairGenerator();
        generator.init(new HSSKeyGenerationParameters(levels, new Fixed()));
        AsymmetricCipherKeyPair pair = generator.generateKeyPair();
        HSSSigner signer = new HSSSigner();
        signer.init(true, pair.getPrivate());
        byte[] message = "what is signed".getBytes(), signature = null;
        for (int i = 0; i < signatures; i++) signature = signer.generateSignature(message);
        System.out.println("\nPublic = " + Hex.toHexString(((HSSPublicKeyParameters) pair.getPublic()).getEncoded()));
        System.out.println("Signature = " + Hex.toHexString(signature));
    }

    static <T> Map<Integer, T> all(Class<T> c) throws Exception {
        Map<Integer, T> found = new TreeMap<>();
        for (Field f : c.getFields())
            if (f.getType() == c) found.put((Integer) c.getMethod("getType").invoke(f.get(null)), (T) f.get(null));
        return found;
    }

    public static void main(String[] args) throws Exception {
        System.out.println("# Made by Hss.java with Bouncy Castle 1.72: signatures of \"what is signed\".");
        Map<Integer, LMSigParameters> trees = all(LMSigParameters.class);
        Map<Integer, LMOtsParameters> chains = all(LMOtsParameters.class);
        // Each type of LM-OTS, and higher trees.
        for (LMOtsParameters ots : chains.values()) record(3, new LMSParameters(trees.get(5), ots));
        record(2, new LMSParameters(trees.get(6), chains.get(4)));
        record(2, new LMSParameters(trees.get(7), chains.get(3)));
        // Levels: the second key of the level below, and different widths.
        record(40, new LMSParameters(trees.get(5), chains.get(4)), new LMSParameters(trees.get(5), chains.get(4)));
        record(2, new LMSParameters(trees.get(5), chains.get(4)), new LMSParameters(trees.get(6), chains.get(3)), new LMSParameters(trees.get(5), chains.get(2)));
    }
}
