import { isAdvisor } from "../ledger/advisor.ts";
import type { Client } from "../wire/client.ts";
import { advisorData } from "../wire/messages.ts";

/** As clients number them; profiles are gone from TWS. */
const groups = 1;
const aliases = 3;

const group = (name: string, accounts: readonly string[]): string =>
  `<Group><name>${name}</name><ListOfAccts varName="list">${accounts
    .map((account) => `<Account><acct>${account}</acct></Account>`)
    .join("")}</ListOfAccts><defaultMethod>Equal</defaultMethod></Group>`;

/** What an advisor's login has as XML: one group of all its clients, and a name for each. Error 321 for other logins. */
export function answerAdvisorData(client: Client, dataType: number, accounts: readonly string[]): void {
  const [advisor = "", ...clients] = accounts;
  const head = '<?xml version="1.0" encoding="UTF-8"?>';
  if (!isAdvisor(advisor)) {
    client.error(
      -1,
      321,
      "Error validating request.-'bS' : cause - FA data operations ignored for non FA customers.",
    );
  } else if (dataType === groups) {
    const all = `${head}<ListOfGroups>${group("All_Clients", clients)}</ListOfGroups>`;
    client.send(advisorData(dataType, all));
  } else if (dataType === aliases) {
    const names = clients.map(
      (account, index) =>
        `<AccountAlias><account>${account}</account><alias>Client ${index + 1}</alias></AccountAlias>`,
    );
    client.send(
      advisorData(dataType, `${head}<ListOfAccountAliases>${names.join("")}</ListOfAccountAliases>`),
    );
  } else client.error(-1, 321, "Error validating request.-'bS' : cause - Invalid FA data type");
}
