<?php namespace Shop; ?>
<section>
  <h1>Sorry</h1>
  <p><?= html($message) ?></p>
  <p><a href="/">Back to the shop</a></p>
</section>
