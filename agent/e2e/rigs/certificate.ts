import { generateKeyPairSync, sign } from "node:crypto";

/** For tests: a certificate for the names of a web that exists on this machine only. DER by hand: Node has no writer. */

const tag = {
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  text: 0x0c,
  time: 0x17,
  list: 0x30,
  set: 0x31,
};

function der(kind: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([kind, ...size]), body]);
}

const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");
const yes = bytes("0101ff");
const oid = {
  commonName: der(tag.oid, bytes("550403")),
  basicConstraints: der(tag.oid, bytes("551d13")),
  subjectAltName: der(tag.oid, bytes("551d11")),
  ecdsaWithSha256: der(tag.oid, bytes("2a8648ce3d040302")),
};
const utcTime = (instant: Date): Buffer =>
  der(tag.time, Buffer.from(`${instant.toISOString().replaceAll(/[-:T]/g, "").slice(2, 14)}Z`));

/** Good for a day, for these names, and its own authority. Both in PEM. */
export function certificateFor(names: readonly string[]): { readonly key: string; readonly cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = der(tag.list, oid.ecdsaWithSha256);
  const name = der(
    tag.list,
    der(tag.set, der(tag.list, oid.commonName, der(tag.text, Buffer.from("tests of tws-edge")))),
  );
  const dnsNames = names.map((one) => der(0x82, Buffer.from(one)));
  const extensions = der(
    tag.list,
    der(tag.list, oid.basicConstraints, yes, der(tag.octets, der(tag.list, yes))),
    der(tag.list, oid.subjectAltName, der(tag.octets, der(tag.list, ...dnsNames))),
  );
  const now = Date.now();
  const hours = (count: number) => utcTime(new Date(now + count * 3_600_000));
  const certificate = der(
    tag.list,
    der(0xa0, der(tag.integer, bytes("02"))),
    der(tag.integer, bytes("01")),
    algorithm,
    name,
    der(tag.list, hours(-1), hours(24)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, extensions),
  );
  const signature = der(tag.bits, bytes("00"), sign("sha256", certificate, privateKey));
  const text = der(tag.list, certificate, algorithm, signature)
    .toString("base64")
    .replaceAll(/.{64}/g, "$&\n");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`,
  };
}
