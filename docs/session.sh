printf 87654321 > so.pin; printf 1234 > user.pin; printf apple-camshaft > password; echo "The camshaft turns." > report; export SOFTCSP_PIN=1234
softcsp token init --label lab --so-pin-file so.pin --quiet > /dev/null

# The key that Windows derives from this password, sealed in the token.
softcsp key derive --hash sha1 --algorithm aes-256 --label report --password-file password
softcsp key encrypt --label report --out report.enc report
softcsp key decrypt --label report report.enc
# A key pair whose private half never leaves, and a signature that others verify.
softcsp key generate --type ec:p256 --label web | head -6
softcsp key sign report --label web --out report.sig
softcsp key export --label web --out web.pem
openssl dgst -sha256 -verify web.pem -signature report.sig report
softcsp key export --label web --secret --password-file password --out stolen.pem
