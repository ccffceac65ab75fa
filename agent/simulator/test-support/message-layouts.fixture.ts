/**
 * The layout of every server message as the public clients expect it, written down a second time and apart from the
 * code that sends them, so that tests can hold one against the other. Not part of the running simulator.
 *
 * A field is `name:kind`; `@158` is "from server version 158", `@<177` "before", `@=163` "only in"; `?other` is "only
 * when that field is not empty". Kinds: i integer, d decimal, s text, b 0 or 1, and Lx a count with x fields for each.
 */
const contract =
  "conId:i symbol:s secType:s lastTradeDate:s strike:d right:s multiplier:d exchange:s currency:s localSymbol:s tradingClass:s";
const orderHead =
  "action:s totalQuantity:d orderType:s lmtPrice:d auxPrice:d tif:s ocaGroup:s account:s openClose:s origin:i orderRef:s";
const advisor =
  "faGroup:s faMethod:s faPercentage:s faProfile:s@<177 modelCode:s goodTillDate:s rule80A:s percentOffset:d settlingFirm:s shortSaleSlot:i designatedLocation:s exemptCode:i";
const box = "startingPrice:d stockRefPrice:d delta:d stockRangeLower:d stockRangeUpper:d displaySize:i";
const comboScaleHedge =
  "comboLegsDescrip:s comboLegs:L8 orderComboLegs:L1 smartComboRoutingParams:L2 scaleInitLevelSize:i scaleSubsLevelSize:i scalePriceIncrement:d hedgeType:s hedgeParam:s?hedgeType";
const peg =
  "minTradeQty:i@170 minCompeteSize:i@170 competeAgainstBestOffset:d@170 midOffsetAtWhole:d@170 midOffsetAtHalf:d@170";

const layouts: Readonly<Record<string, string>> = {
  "1": "version:i reqId:i tick:i price:d size:d attributes:i",
  "2": "version:i reqId:i tick:i size:d",
  "3": "orderId:i status:s filled:d remaining:d avgFillPrice:d permId:i parentId:i lastFillPrice:d clientId:i whyHeld:s mktCapPrice:d",
  "4": "version:i subject:i code:i text:s advancedReject:s@166",
  "5": `orderId:i ${contract} ${orderHead} clientId:i permId:i outsideRth:b hidden:b discretionaryAmt:d goodAfterTime:s sharesAllocation:s ${advisor} auctionStrategy:i ${box} blockOrder:b sweepToFill:b allOrNone:b minQty:i ocaType:i eTradeOnly:b firmQuoteOnly:b nbboPriceCap:d parentId:i triggerMethod:i volatility:d volatilityType:i dnOrderType:s dnAuxPrice:d dnConId:i?dnOrderType dnSettlingFirm:s?dnOrderType dnClearingAccount:s?dnOrderType dnClearingIntent:s?dnOrderType dnOpenClose:s?dnOrderType dnShortSale:b?dnOrderType dnShortSaleSlot:i?dnOrderType dnDesignatedLocation:s?dnOrderType continuousUpdate:b referencePriceType:i trailStopPrice:d trailingPercent:d basisPoints:d basisPointsType:i ${comboScaleHedge} optOutSmartRouting:b clearingAccount:s clearingIntent:s notHeld:b deltaNeutralContract:b algoStrategy:s algoParams:L2?algoStrategy solicited:b whatIf:b status:s initMarginBefore:d maintMarginBefore:d equityBefore:d initMarginChange:d maintMarginChange:d equityChange:d initMarginAfter:d maintMarginAfter:d equityAfter:d commission:d minCommission:d maxCommission:d commissionCurrency:s warningText:s randomizeSize:b randomizePrice:b conditions:L0 adjustedOrderType:s triggerPrice:d trailStopPrice2:d lmtPriceOffset:d adjustedStopPrice:d adjustedStopLimitPrice:d adjustedTrailingAmount:d adjustableTrailingUnit:i softDollarName:s softDollarValue:s softDollarDisplayName:s cashQty:d dontUseAutoPriceForHedge:b isOmsContainer:b discretionaryUpToLimitPrice:b usePriceMgmtAlgo:b duration:i@158 postToAts:i@160 autoCancelParent:b@162 ${peg} customerAccount:s@183 professionalCustomer:b@184 bondAccruedInterest:s@185 includeOvernight:b@189 extOperator:s@193 manualOrderIndicator:i@193`,
  "6": "version:i key:s value:s currency:s account:s",
  "7": `version:i ${contract.replace("exchange:s", "primaryExchange:s")} position:d marketPrice:d marketValue:d averageCost:d unrealizedPnl:d realizedPnl:d account:s`,
  "8": "version:i time:s",
  "9": "version:i orderId:i",
  "10": "version:i@<164 reqId:i symbol:s secType:s lastTradeDateOrContractMonth:s lastTradeDate:s@182 strike:d right:s exchange:s currency:s localSymbol:s marketName:s tradingClass:s conId:i minTick:d mdSizeMultiplier:i@<164 multiplier:d orderTypes:s validExchanges:s priceMagnifier:i underConId:i longName:s primaryExchange:s contractMonth:s industry:s category:s subcategory:s timeZoneId:s tradingHours:s liquidHours:s evRule:s evMultiplier:i secIdList:L2 aggGroup:i underSymbol:s underSecType:s marketRuleIds:s realExpirationDate:s stockType:s@152 sizeMinTick:d@=163 minSize:d@164 sizeIncrement:d@164 suggestedSizeIncrement:d@164 ineligibilityReasons:L2@186",
  "11": `reqId:i orderId:i ${contract} execId:s time:s account:s execExchange:s side:s shares:d price:d permId:i clientId:i liquidation:i cumQty:d avgPrice:d orderRef:s evRule:s evMultiplier:d modelCode:s lastLiquidity:i pendingPriceRevision:b@178`,
  "12": "version:i reqId:i position:i operation:i side:i price:d size:d",
  "13": "version:i reqId:i position:i marketMaker:s operation:i side:i price:d size:d isSmart:b",
  "14": "version:i msgId:i type:i text:s origin:s",
  "16": "version:i dataType:i xml:s",
  "15": "version:i accounts:s",
  "17": "reqId:i start:s end:s bars:L8",
  "18": "version:i@<164 reqId:i symbol:s secType:s cusip:s coupon:d maturity:s issueDate:s ratings:s bondType:s couponType:s convertible:b callable:b putable:b descAppend:s exchange:s currency:s marketName:s tradingClass:s conId:i minTick:d mdSizeMultiplier:i@<164 orderTypes:s validExchanges:s nextOptionDate:s nextOptionType:s nextOptionPartial:b notes:s longName:s timeZoneId:s@188 tradingHours:s@188 liquidHours:s@188 evRule:s evMultiplier:d secIdList:L2 aggGroup:i marketRuleIds:s minSize:d@164 sizeIncrement:d@164 suggestedSizeIncrement:d@164",
  "19": "version:i xml:s",
  "20": "version:i reqId:i rows:L16",
  "21": "version:i@<156 reqId:i tick:i attributes:i@156 impliedVolatility:d delta:d price:d pvDividend:d gamma:d vega:d theta:d underlyingPrice:d",
  "45": "version:i reqId:i tick:i value:d",
  "46": "version:i reqId:i tick:i value:s",
  "49": "version:i time:i",
  "50": "version:i reqId:i time:i open:d high:d low:d close:d volume:d wap:d count:i",
  "51": "version:i reqId:i data:s",
  "52": "version:i reqId:i",
  "53": "version:i",
  "54": "version:i account:s",
  "55": "version:i reqId:i",
  "57": "version:i reqId:i",
  "58": "version:i reqId:i type:i",
  "59": "version:i execId:s commission:d currency:s realizedPnl:d yield:d yieldRedemptionDate:i",
  "61": `version:i account:s ${contract} position:d avgCost:d`,
  "62": "version:i",
  "63": "version:i reqId:i account:s tag:s value:s currency:s",
  "64": "version:i reqId:i",
  "71": `version:i reqId:i account:s ${contract} position:d avgCost:d model:s`,
  "72": "version:i reqId:i",
  "73": "version:i reqId:i account:s model:s key:s value:s currency:s",
  "74": "version:i reqId:i",
  "75": "reqId:i exchange:s underlyingConId:i tradingClass:s multiplier:d expirations:L1 strikes:L1",
  "76": "reqId:i",
  "77": "reqId:i tiers:L3",
  "78": "codes:L2",
  "79": "reqId:i samples:SAMPLES",
  "80": "venues:L5",
  "81": "reqId:i minTick:d bboExchange:s snapshotPermissions:i",
  "82": "reqId:i components:L3",
  "83": "reqId:i type:i text:s",
  "84": "reqId:i time:i provider:s articleId:s headline:s extra:s",
  "85": "providers:L2",
  "86": "reqId:i time:s provider:s articleId:s headline:s",
  "87": "reqId:i hasMore:b",
  "88": "reqId:i timestamp:s",
  "89": "reqId:i entries:L2",
  "90": "reqId:i count:i date:s open:d close:d high:d low:d wap:d volume:d",
  "93": "ruleId:i increments:L2",
  "94": "reqId:i daily:d unrealized:d realized:d",
  "95": "reqId:i position:d daily:d unrealized:d realized:d value:d",
  "96": "reqId:i ticks:L4 done:b",
  "97": "reqId:i ticks:L6 done:b",
  "98": "reqId:i ticks:L6 done:b",
  "99": "reqId:i type:i time:i tick:TICK",
  "101": `${contract} ${orderHead} permId:i outsideRth:b hidden:b discretionaryAmt:d goodAfterTime:s ${advisor} ${box} sweepToFill:b allOrNone:b minQty:i ocaType:i triggerMethod:i volatility:d volatilityType:i dnOrderType:s dnAuxPrice:d dnConId:i?dnOrderType dnShortSale:b?dnOrderType dnShortSaleSlot:i?dnOrderType dnDesignatedLocation:s?dnOrderType continuousUpdate:b referencePriceType:i trailStopPrice:d trailingPercent:d ${comboScaleHedge} clearingAccount:s clearingIntent:s notHeld:b deltaNeutralContract:b algoStrategy:s algoParams:L2?algoStrategy solicited:b status:s randomizeSize:b randomizePrice:b conditions:L0 trailStopPrice2:d lmtPriceOffset:d cashQty:d dontUseAutoPriceForHedge:b isOmsContainer:b autoCancelDate:s filledQuantity:d refFuturesConId:i autoCancelParent:b shareholder:s imbalanceOnly:b routeMarketableToBbo:b parentPermId:i completedTime:s completedStatus:s ${peg} customerAccount:s@183 professionalCustomer:b@184`,
  "102": "",
  "104": "reqId:i json:s",
  "105": "reqId:i json:s",
  "106": "reqId:i start:s end:s timeZone:s sessions:L3",
  "107": "reqId:i whiteBrandingId:s",
};

const fieldPattern = /^(\w+):([idsb]|L\d+|SAMPLES|TICK)(?:@(<|=)?(\d+))?(?:\?(\w+))?$/;

const kinds: Readonly<Record<string, RegExp>> = {
  i: /^(-?\d+)?$/,
  d: /^(-?\d+(\.\d+)?|1\.7976931348623157E308|Infinity)?$/,
  b: /^[01]?$/,
  s: /^/,
};

function applies(version: number, relation: string | undefined, gate: string | undefined): boolean {
  if (gate === undefined) return true;
  if (relation === "<") return version < Number(gate);
  return relation === "=" ? version === Number(gate) : version >= Number(gate);
}

/**
 * The named fields of a message, after checking that it holds exactly those of this version and that each is of its
 * kind. Lists appear as their items joined by commas. Throws an Error that names the first field that is wrong.
 */
export function readStrictly(message: readonly string[], version: number): Record<string, string> {
  const id = message[0] ?? "";
  const layout = layouts[id];
  if (layout === undefined) throw new Error(`no layout for message ${id}`);
  const row: Record<string, string> = { id };
  let at = 1;

  function take(name: string, kind: string): string {
    const field = message[at++];
    if (field === undefined) throw new Error(`message ${id} at ${version} ends before ${name}`);
    if (kinds[kind]?.test(field) !== true)
      throw new Error(`message ${id}: ${name} is '${field}', not ${kind}`);
    return field;
  }

  function list(name: string, fieldsEach: number): string {
    const items: string[] = [];
    for (let left = Number(take(name, "i")) * fieldsEach; left > 0; left--) items.push(take(name, "s"));
    return items.join(",");
  }

  /** Contract descriptions have a list of their own inside, and two more fields from 176 on. */
  function samples(): string {
    const symbols: string[] = [];
    for (let left = Number(take("samples", "i")); left > 0; left--) {
      take("conId", "i");
      symbols.push(take("symbol", "s"));
      for (const name of ["secType", "primaryExchange", "currency"]) take(name, "s");
      list("derivatives", 1);
      if (version >= 176) for (const name of ["description", "issuerId"]) take(name, "s");
    }
    return symbols.join(",");
  }

  /** Trades, quotes and midpoints have fields of their own. */
  function tick(type: string | undefined): string {
    const trade = ["price:d", "size:d", "mask:i", "exchange:s", "conditions:s"];
    const quote = ["bid:d", "ask:d", "bidSize:d", "askSize:d", "mask:i"];
    const fields = type === "4" ? ["midPoint:d"] : type === "3" ? quote : trade;
    return fields
      .map((field) => field.split(":"))
      .map(([name = "", kind = ""]) => take(name, kind))
      .join(",");
  }

  for (const spec of layout.split(" ").filter((text) => text !== "")) {
    const match = fieldPattern.exec(spec);
    if (match === null) throw new Error(`bad layout: ${spec}`);
    const [, name = "", kind = "", relation, gate, condition] = match;
    if (!applies(version, relation, gate)) continue;
    if (condition !== undefined && row[condition] === "") continue;
    if (kind === "SAMPLES") row[name] = samples();
    else if (kind === "TICK") row[name] = tick(row["type"]);
    else if (kind.startsWith("L")) row[name] = list(name, Number(kind.slice(1)));
    else row[name] = take(name, kind);
  }
  if (at !== message.length) {
    throw new Error(
      `message ${id} at ${version} has ${message.length - at} fields too many: ${message.slice(at).join("|")}`,
    );
  }
  return row;
}
