<?php namespace Shop; ?>
<section>
  <h1>Good coffee, and what it takes to make it</h1>
  <ul class="products">
<?php foreach ($products as $product): ?>
    <li>
      <h2><?= html($product['name']) ?></h2>
      <p><?= html($product['note']) ?></p>
      <p class="price"><?= euros($product['price_cents']) ?> <small>+ <?= percent($product['vat_permille']) ?> VAT</small></p>
      <form method="post" action="/orders">
        <input type="hidden" name="token" value="<?= html($token) ?>">
        <input type="hidden" name="product" value="<?= html($product['sku']) ?>">
        <input type="number" name="quantity" value="1" min="1" max="<?= $maxQuantity ?>" required aria-label="Quantity of <?= html($product['name']) ?>">
        <button>Order</button>
      </form>
    </li>
<?php endforeach ?>
  </ul>
</section>

<section>
  <h2>Behind the counter</h2>
  <dl>
    <div>
      <dt>Queue</dt>
      <dd><?= number_format($queueLength) ?> <small>waiting</small></dd>
    </div>
    <div>
      <dt>Worker</dt>
      <dd><?= $workerSeenSeconds === null ? 'not seen yet' : ago($workerSeenSeconds) . ' <small>ago</small>' ?></dd>
    </div>
    <div>
      <dt>Scheduler</dt>
      <dd><?= $lastTick === null ? 'not seen yet' : ago($lastTick['seconds_ago']) . ' <small>ago, tick ' . number_format($lastTick['count']) . '</small>' ?></dd>
    </div>
    <div>
      <dt>Product cache</dt>
      <dd><?= $cacheUse === null ? 'none' : number_format($cacheUse['hits']) . ' <small>hits, ' . number_format($cacheUse['misses']) . ' misses</small>' ?></dd>
    </div>
  </dl>
</section>

<section id="orders">
  <h2>Last orders</h2>
<?php if ($placed !== null): ?>
  <p class="notice" role="status">
    Thank you. Order <?= $placed['id'] ?> is <?= $placed['status'] === 'queued' ? 'in the queue.' : 'invoiced: ' . euros($placed['total_cents']) . '.' ?>

  </p>
<?php endif ?>
<?php if ($orders === []): ?>
  <p>None yet. Yours could be the first.</p>
<?php else: ?>
  <div class="scroll">
  <table>
    <thead>
      <tr><th class="number">No.</th><th>Product</th><th class="number">Quantity</th><th>Placed</th><th>Status</th><th class="number">Waited</th><th>Worker</th><th class="number">Total with VAT</th></tr>
    </thead>
    <tbody>
<?php foreach ($orders as $order): ?>
      <tr>
        <td class="number"><?= $order['id'] ?></td>
        <td><?= html($order['name']) ?></td>
        <td class="number"><?= $order['quantity'] ?></td>
        <td><?= ago($order['age_seconds']) ?> ago</td>
        <td><span class="status <?= $order['status'] ?>"><?= $order['status'] ?></span></td>
<?php if ($order['status'] === 'queued'): ?>
        <td class="number"></td><td></td><td class="number"></td>
<?php else: ?>
        <td class="number"><?= duration($order['waited_ms']) ?></td>
        <td><code><?= html($order['worker']) ?></code></td>
        <td class="number"><?= euros($order['total_cents']) ?></td>
<?php endif ?>
      </tr>
<?php endforeach ?>
    </tbody>
  </table>
  </div>
<?php endif ?>
</section>

<section>
  <h2>Days</h2>
<?php if ($dayTotals === []): ?>
  <p>None yet.</p>
<?php else: ?>
  <div class="scroll">
  <table>
    <thead>
      <tr><th>Day (UTC)</th><th class="number">Orders</th><th class="number">Invoiced</th><th class="number">Total with VAT</th></tr>
    </thead>
    <tbody>
<?php foreach ($dayTotals as $day): ?>
      <tr>
        <td><?= $day['day'] ?></td>
        <td class="number"><?= $day['orders'] ?></td>
        <td class="number"><?= $day['invoiced'] ?></td>
        <td class="number"><?= euros($day['total_cents']) ?></td>
      </tr>
<?php endforeach ?>
    </tbody>
  </table>
  </div>
<?php endif ?>
</section>
