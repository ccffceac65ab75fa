import type { Instrument } from "../model/instruments.ts";
import { unit } from "../market/noise.ts";

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text: string): string => text.replaceAll(/[&<>"]/g, (one) => escapes[one] ?? one);

const quarters = [
  ["03-31", "Q1"],
  ["06-30", "Q2"],
  ["09-30", "Q3"],
  ["12-31", "Q4"],
] as const;

/** Income, balance sheet and cash flow, each by TWS's codes for its lines. */
const statements = [
  ["INC", ["RTLR", "SCOR", "SGRP", "SSGA", "ERAD", "SOPI", "EIBT", "TTAX", "NINC", "VDES"]],
  ["BAL", ["SCSI", "AACR", "AITL", "ATCA", "APPN", "ATOT", "LAPB", "LTCL", "STLD", "LTLL", "QTLE", "QTCO"]],
  ["CAS", ["ONET", "SDED", "SOCF", "OTLO", "SCEX", "ITLI", "FCDP", "FPSS", "FTLF", "SNCC"]],
] as const;

/** A report on a company, in the shape that TWS sends; its figures are drawn from the company's id. Null for no such report. */
export function reportOf(instrument: Instrument, reportType: string, now: number): string | null {
  const draw = (salt: number): number => unit(instrument.conId, salt, 51);
  const year = new Date(now).getUTCFullYear();
  const head = '<?xml version="1.0" encoding="UTF-8"?>\n';
  const periods = [year - 2, year - 1].flatMap((each) =>
    quarters.map(([day, quarter]) => ({
      date: `${each}-${day}`,
      quarter,
      salt: each * 10 + Number(quarter[1]),
    })),
  );
  const ids = `<CoIDs><CoID Type="CompanyName">${escaped(instrument.longName)}</CoID><CoID Type="Ticker">${escaped(instrument.symbol)}</CoID></CoIDs>`;
  switch (reportType) {
    case "ReportsFinSummary": {
      const rows = (name: string, scale: number, digits: number, salt: number): string =>
        periods
          .map(({ date, salt: at }) => {
            const value = (scale * (0.6 + 0.8 * draw(at + salt))).toFixed(digits);
            return `<${name} asofDate="${date}" reportType="R" period="3M">${value}</${name}>`;
          })
          .join("");
      return `${head}<FinancialSummary><EPSs currency="USD">${rows("EPS", 2, 2, 0)}</EPSs><DividendPerShares currency="USD">${rows("DividendPerShare", 0.3, 2, 7)}</DividendPerShares><TotalRevenues currency="USD">${rows("TotalRevenue", 5e10, 0, 13)}</TotalRevenues></FinancialSummary>`;
    }
    case "ReportSnapshot":
      return `${head}<ReportSnapshot Major="1" Minor="0">${ids}<TextInfo><Text Type="Business Summary">${escaped(instrument.longName)} is a company of this simulator, in ${escaped(instrument.industry)} &amp; ${escaped(instrument.category)}.</Text></TextInfo><Ratios PriceCurrency="USD"><Group ID="Income Statement"><Ratio FieldName="TTMEPSXCLX" Type="N">${(6 * (0.5 + draw(1))).toFixed(5)}</Ratio><Ratio FieldName="TTMREV" Type="N">${(3e5 * draw(2)).toFixed(5)}</Ratio></Group></Ratios></ReportSnapshot>`;
    case "ReportsFinStatements": {
      const statement = ([type, codes]: (typeof statements)[number], salt: number): string =>
        `<Statement Type="${type}">${codes
          .map((code, index) => {
            const value = (4e5 * draw(salt + index)).toFixed(2);
            return `<lineItem coaCode="${code}">${value}</lineItem>`;
          })
          .join("")}</Statement>`;
      const period = (type: "Annual" | "Interim", date: string, salt: number): string =>
        `<FiscalPeriod Type="${type}" EndDate="${date}">${statements.map((one, index) => statement(one, salt + 100 * index)).join("")}</FiscalPeriod>`;
      const annual = [1, 2, 3, 4, 5, 6].map((ago) =>
        period("Annual", `${year - ago}-12-31`, 1_000 * (year - ago)),
      );
      const interim = periods.map(({ date, salt }) => period("Interim", date, 1_000 * salt));
      return `${head}<ReportFinancialStatements Major="1" Minor="0">${ids}<FinancialStatements><AnnualPeriods>${annual.join("")}</AnnualPeriods><InterimPeriods>${interim.join("")}</InterimPeriods></FinancialStatements></ReportFinancialStatements>`;
    }
    case "RESC":
      return `${head}<REarnEstCons Major="1" Minor="0"><Company><CoName><Name type="Short">${escaped(instrument.longName)}</Name></CoName></Company><ConsEstimates><FYEstimate type="EPS" unit="U"><FYPeriod periodType="A" fYear="${year}"><ConsEstimate type="Mean"><ConsValue dateType="CURR">${(7 * (0.5 + draw(5))).toFixed(4)}</ConsValue></ConsEstimate></FYPeriod></FYEstimate></ConsEstimates></REarnEstCons>`;
    default:
      return null;
  }
}
